"""Kaldi data directories as one type, DataDir: read, checked, mended, combined and cut."""
