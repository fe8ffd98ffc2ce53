"""Waveforms distorted for training: noise, rooms, codecs, pitch, speed; all draws from a given generator."""
