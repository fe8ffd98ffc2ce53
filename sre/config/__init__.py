"""Configs: a recipe, its models, features, back-ends and norms, checked against the schema and filled with defaults."""
