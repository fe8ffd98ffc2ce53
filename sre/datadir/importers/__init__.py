"""Recordings and lists of any form into a data directory, and back: one file a form, `job` brings them together."""
