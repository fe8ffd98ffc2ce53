"""The stages, and the version of each."""

# A code change that alters a stage's results raises its number: that stage, and what follows, runs again.
STAGE_VERSIONS = {"data": 1, "feats": 1, "train": 2, "embed": 1, "score": 4}
