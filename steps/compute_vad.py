"""Energy VAD of MFCCs: vad.{ark,scp} (1 voiced, 0 not), utt2num_voiced and vad_rejected.tsv.

python -m steps.compute_vad data/mini_train/feats/mfcc30/feats.scp data/mini_train/feats/mfcc30
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sre import SreError
from sre.cli.arguments import Parser, output_folder, share
from sre.cli.configs import config_argument, vad_config
from sre.datadir.rejected import write_rejected
from sre.features.cmn import energy_vad
from sre.features.store import read_config
from sre.io.ark import read_record, read_scp, write_ark
from sre.io.atomic import atomic_output, locked
from sre.io.record import check_usable
from sre.io.tables import write_table
from sre.io.text import canonical
from sre.machine.log import Progress, run
from steps.options import feats_scp


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "feats", type=feats_scp, help="feats.scp of MFCCs whose first column is the log energy, or the folder it is in"
    )
    parser.add_argument("out", type=output_folder, help="folder for vad.scp")
    taken = "a YAML of VAD options, JSON text, or the config of features with a VAD"
    parser.add_argument("--config", "--vad-config", type=config_argument, metavar="CONFIG", help=taken)
    parser.add_argument(
        "--max-rejected", type=share, default=0.01, metavar="SHARE", help="of utterances, without a voiced frame"
    )
    args = parser.parse_args(argv)
    options = vad_config(args.config)
    places = read_scp(args.feats)
    if not places:
        raise SreError(f"{args.feats}: no features in it; make them first")
    voiced: dict[str, int] = {}
    unusable: list[SreError] = []
    frames = 0
    progress = Progress("vad", len(places), "utt")

    def records() -> Iterator[tuple[str, np.ndarray]]:
        nonlocal frames
        for utt, place in places.items():
            try:
                decision = energy_vad(_log_energy(args.feats, utt, place), **options)
            except SreError as error:
                unusable.append(error)
                continue
            frames += len(decision)
            progress.add(1)
            if decision.any():
                voiced[utt] = int(decision.sum())
                yield utt, decision.astype(np.float32)
        check_usable(args.feats, unusable, len(places))

    with locked(args.out / ".vad.lock"):
        write_ark(args.out / "vad.ark", args.out / "vad.scp", records())
        write_table(args.out / "utt2num_voiced", voiced)
        rows = [(utt, place, "no voiced frame") for utt, place in places.items() if utt not in voiced]
        write_rejected(args.out / "vad_rejected.tsv", rows, len(places), "utterances", args.max_rejected)
        _remember(args.out / "config", options)
    share_voiced = 100 * sum(voiced.values()) / max(frames, 1)
    progress.close(f"({share_voiced:.1f} % of {frames} frames are voiced, {len(rows)} utterances have none)")


def _log_energy(scp: Path, utt: str, place: str) -> np.ndarray:
    """Return the first column, (T,). Raises SreError for a record that is no matrix, or has no frame."""
    matrix = read_record(utt, place, "matrix", scp)
    if not matrix.size:
        raise SreError(f"{scp}: record '{utt}' is a matrix of {matrix.shape}: no frames; take '{utt}' out")
    return matrix[:, 0]


def _remember(config: Path, options: dict) -> None:
    """Features that were made without a VAD have one from now on: training and extraction read it from `config`."""
    if config.is_file() and (made := read_config(config)).get("vad") != options:
        with atomic_output(config) as file:
            file.write(canonical({**made, "vad": options}) + "\n")


if __name__ == "__main__":
    run(main)
