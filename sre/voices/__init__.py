"""A trained model in use: one file to carry, voiceprints, scores of them, and decisions."""
