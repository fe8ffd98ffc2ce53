"""Error rates of one score file on one labelled trial list.

e.g.: python -m steps.compute_metrics exp/mini/scores/cosine.scores data/trials/mini --out metrics.json

Reads `enrol test score` and `enrol test target|nontarget` (or VoxCeleb's `1|0 enrol test`) lines.
Prints one `name value` a line: EER (per cent), normalised minDCF by P_target, and the counts.
"""

import argparse
import json
from pathlib import Path

from sre import SreError
from sre.io.atomic import atomic_output, sha256_file
from sre.io.trials import align_scores
from sre.log import run
from sre.metrics import summarise


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores", type=Path, help="lines `enrol test score`")
    parser.add_argument("trials", type=Path, help="lines `enrol test target|nontarget`, or `1|0 enrol test`")
    parser.add_argument("--out", type=Path, help="write all numbers and thresholds as JSON")
    args = parser.parse_args(argv)
    scores, target = align_scores(args.scores, args.trials)
    try:
        summary = summarise(scores, target)
    except SreError as error:
        raise SreError(f"{args.scores}: {error}") from None
    if args.out:
        summary_of_list = summary | {"trials": args.trials.name, "trials_sha256": sha256_file(args.trials)}
        with atomic_output(args.out) as file:
            json.dump(summary_of_list, file, indent=1, sort_keys=True, allow_nan=False)
            file.write("\n")
    print(f"EER {summary['eer']:.6f}")
    for p_target in ("0.01", "0.05", "0.001"):
        print(f"minDCF({p_target}) {summary[f'min_dcf_{p_target}']:.6f}")
    print(f"targets {summary['targets']}")
    print(f"nontargets {summary['nontargets']}")


if __name__ == "__main__":
    run(main)
