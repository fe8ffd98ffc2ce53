"""The stages and their steps: versions, rules, costs, and which files a step leaves beside those that it declares.

Nothing else in `sre` knows the names of stages and steps. A test holds the table of rules against steps/*.smk.
"""

from dataclasses import dataclass

# A code change that alters a stage's results raises its number: that stage, and what follows, runs again.
STAGE_VERSIONS = {"data": 1, "feats": 1, "train": 2, "embed": 2, "score": 4}


@dataclass(frozen=True)
class Stage:
    """The rules of steps/<stage>.smk that make files, and what such a job costs a newcomer's machine."""

    rules: tuple[str, ...]
    cost: str = "seconds"


STAGES = {
    "data": Stage(  # and the rules of recipes/*/*.smk
        (
            "check_recipe",
            "split_unheard",
            "make_development_trials",
            "make_triplet_trials",
            "index_audio",
            "cut_utterances",
            "cut_features",
            "copy_listed",
            "copy_trials",
            "prepare_musan",
            "prepare_rirs",
            "copy_distorted",
            "copy_vad",
        )
    ),
    "feats": Stage(
        (
            "make_features",
            "join_features",
            "import_features",
            "compute_vad",
            "check_features",
            "measure_quality",
        ),
        "minutes",
    ),
    "train": Stage(("train_embedding",), "hours of GPU (minutes for small corpora)"),
    "embed": Stage(("extract_embeddings", "join_embeddings", "import_embeddings"), "minutes"),
    "score": Stage(("train_backend", "score_systems", "fuse_systems", "identify_speakers")),
    "report": Stage(("make_report",)),
}
TRAIN_EMBEDDING, TRAIN_BACKEND, SCORE_SYSTEMS = "train_embedding", "train_backend", "score_systems"
NUMBERLESS = {"make_report", "check_recipe", "check_features"}  # steps whose code no score depends on
# steps that work through utterances one by one
BY_UTTERANCE = {"extract_embeddings", "make_features", "make_fbank", "make_mfcc"}
# seconds that a job takes on little data, where it has never been measured
TYPICAL_S = {"train_embedding": 300.0, "make_mini_corpus": 10.0, "extract_embeddings": 6.0, "make_features": 5.0}
SURVEYS = "local.surveys"  # counts the corpora of recipes; loaded by its name, as sre knows no corpus
GATES = ("gates.json", "features_checked.json")
GATED = ("train_embedding", "extract_embeddings", "score_systems")  # steps that wait for them and do not read them
BESIDE = {  # not declared as outputs: made by the job of a file that is beside them, or in a folder above
    "metrics.json": (".scores", ".metrics.json", ".replicates.npy", ".cohort"),
    "final.pt": ("history.jsonl",),
    "utt2spk": ("utt2dur", "utt2chapter", "spk2gender", "utt2uniq", "segments", "rejected.tsv"),
    "feats.scp": ("rejected.tsv",),
    "utt2num_samples": ("rejected.tsv",),
    "report.tsv": ("errors.csv", "breakdown.tsv", "speakers.tsv", "utterances.tsv", "pairs.tsv"),
    "SPEAKERS.TXT": (".flac",),
    "MADE": (".wav", ".flac"),
}


def stage_of(rule: str) -> str:
    """Return the stage of a rule; a rule of a recipe makes data."""
    return next((name for name, stage in STAGES.items() if rule in stage.rules), "data")


def step_of(module: str) -> str:
    """Return the name of the step that a module is: train_backend of steps.train_backend."""
    return module.rpartition(".")[2]
