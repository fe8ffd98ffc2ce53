"""Forms of what the stages leave for the report: metrics.json, train_summary.json, history.jsonl, gates.json, …"""

from sre.io.forms import NONE, NUMBER

SCORE_AGAIN = "delete it, and the stage score makes it again"

CALIBRATION = {
    "weights": [NUMBER],
    "offset": NUMBER,
    "facts?": {"*": (bool, NUMBER, str)},
    "inputs?": [str],
    "trials?": str,
}
METRICS = {"eer": NUMBER, "targets": int, "nontargets": int, "*": (NONE, NUMBER)}
METRICS |= {"c_miss?": NUMBER, "c_fa?": NUMBER, "eer_threshold?": NUMBER, "calibrated?": bool}
METRICS |= {"intervals?": (NONE, {"*": (NONE, [(NONE, NUMBER), (NONE, NUMBER)])})}
DONE = {
    "status": "ok",
    "scores": str,
    "metrics": METRICS,
    "calibration?": (NONE, CALIBRATION),
    "backend?": (NONE, dict),
}
DONE |= {"code?": str, "scores_sha256?": str, "replicates_sha256?": str}
FAILED = {"status": "failed", "reason?": str}
BOOTSTRAP = {"replicates": int, "seed": int, "columns": [str], "speakers?": (NONE, int), "level?": NUMBER}
ENVIRONMENT = {"code": str, "python": str, "packages": {"*": str}, "device": str}
RESULT = {"model": str, "seed": int, "run": str, "trials": str, "trials_sha256": str, "trials_file": str}
RESULT |= {"systems": {"*": (FAILED, DONE)}, "bootstrap?": (NONE, BOOTSTRAP)}
RESULT |= {"environment?": (NONE, ENVIRONMENT), "data?": (NONE, str), "enroll_map?": (NONE, str), "role?": str}
RESULT |= {"embeddings?": (NONE, [str])}

SUMMARY = {f"dropped_{why}?": int for why in ("without_features", "short", "of_rare_speakers")}
SUMMARY |= {f"{fact}?": (NONE, NUMBER) for fact in ("parameters", "macs_2s", "utterances_per_s_8s", "training_s")}
SUMMARY |= {"config?": dict, "device?": str, "code?": str, "this_run_s?": NUMBER}
COUNTED = {count: int for count in ("utterances_found", "utterances", "speakers", "held_out_speakers")}
SUMMARY = (SUMMARY | {"utterances_found?": NONE}, SUMMARY | COUNTED)  # a bundle of elsewhere has no counts
EPOCH = {"epoch": int, "*": (NONE, NUMBER)}

REASONS = (NONE, {"*": int})
SPLIT = {"split": str, "utterances": int, "speakers": int, "hours?": (NONE, NUMBER)}
SPLIT |= {"rejected?": int, "reasons?": REASONS}
LIST = {"targets": int, "nontargets": int, "models": int}
GATES = {"notes?": [str], "data?": [SPLIT], "trials?": (NONE, {"*": LIST})}
DESCRIBED = {"split": str, "features": str, "utterances": int, "rejected": int, "reasons": REASONS}
FEATURES = {"described?": [DESCRIBED]}
