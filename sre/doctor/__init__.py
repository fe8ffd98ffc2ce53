"""What would stop a recipe, looked at before its first stage: machine, packages, corpora, trial lists, disk."""
