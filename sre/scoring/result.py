"""Forms of what the stages leave for the report: metrics.json, train_summary.json, history.jsonl, gates.json, …"""

from collections.abc import Iterable

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


def codes_of(results: Iterable[dict]) -> set[str]:
    """Versions of the code that made the systems of metrics files: one that was kept may be older than its job."""
    return {outcome["code"] for result in results for outcome in result["systems"].values() if outcome.get("code")}
