"""sre: speaker recognition in small file-producing stages. Arrays and tensors in, arrays and tensors out."""

__version__ = "0.1.0"


class SreError(Exception):
    """Something a user can cause and mend; its text names the file or id, what is wrong, and the remedy."""
