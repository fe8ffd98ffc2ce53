"""A trained bundle in use: embeddings of utterances, and its export."""
