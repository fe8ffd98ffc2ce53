"""Energy VAD of MFCCs: vad.{ark,scp} (1 voiced, 0 not), utt2num_voiced and vad_rejected.tsv.

python -m steps.compute_vad data/mini_train/feats/mfcc30/feats.scp data/mini_train/feats/mfcc30
"""

import argparse
import json
from pathlib import Path

import numpy as np

from sre.features.cmn import energy_vad
from sre.io.ark import read_record, read_scp, write_ark
from sre.io.atomic import locked
from sre.io.datadir import write_rejected
from sre.io.tables import write_table
from sre.io.trials import read_trials
from sre.log import Progress, run
from steps.common import vad_config


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("feats", type=Path, help="feats.scp of MFCCs whose first column is the log energy")
    parser.add_argument("out", type=Path, help="folder for vad.scp")
    parser.add_argument("--config", help="a YAML of VAD options, or JSON text")
    parser.add_argument("--max-rejected", type=float, default=0.01, help="share of utterances without a voiced frame")
    parser.add_argument("--trials", type=Path, action="append", default=[], help="lists whose tests must all be there")
    args = parser.parse_args(argv)
    options = vad_config(args.config)
    places = read_scp(args.feats)
    voiced: dict[str, int] = {}
    progress = Progress("vad", len(places), "utt")

    def records():
        for utt, place in places.items():
            decision = energy_vad(read_record(utt, place)[:, 0], **options)
            progress.add(1)
            if decision.any():
                voiced[utt] = int(decision.sum())
                yield utt, decision.astype(np.float32)

    with locked(args.out / ".vad.lock"):
        write_ark(args.out / "vad.ark", args.out / "vad.scp", records())
        write_table(args.out / "utt2num_voiced", voiced)
        rows = [(utt, place, "no voiced frame") for utt, place in places.items() if utt not in voiced]
        needed = {utt for path in args.trials for utt in read_trials(path).test_ids}
        write_rejected(args.out / "vad_rejected.tsv", rows, len(places), "utterances", args.max_rejected, needed)
    progress.close(json.dumps({"rejected": len(rows)}))


if __name__ == "__main__":
    run(main)
