"""Kaldi's features: one function, one config, saved with what it made."""
