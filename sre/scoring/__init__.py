"""A trial list scored by every system, and who errs."""
