"""Files that a training leaves: train_summary.json, history.jsonl, and its progress."""

from sre.io.forms import NONE, NUMBER

PROGRESS = "training.json"  # beside checkpoints: of which training they are


SUMMARY = {f"dropped_{why}?": int for why in ("without_features", "short", "of_rare_speakers")}


SUMMARY |= {f"{fact}?": (NONE, NUMBER) for fact in ("parameters", "macs_2s", "utterances_per_s_8s", "training_s")}


SUMMARY |= {"config?": dict, "device?": str, "code?": str, "this_run_s?": NUMBER}


COUNTED = {count: int for count in ("utterances_found", "utterances", "speakers", "held_out_speakers")}


SUMMARY = (SUMMARY | {"utterances_found?": NONE}, SUMMARY | COUNTED)  # a bundle of elsewhere has no counts


EPOCH = {"epoch": int, "*": (NONE, NUMBER)}
