"""Experiments on disk: read, traced, compared, explained and cleaned."""
