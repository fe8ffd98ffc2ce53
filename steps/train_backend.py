"""Fit a back-end on training embeddings.

python -m steps.train_backend lda_plda --embeddings E.scp --utt2spk utt2spk plda.npz
python -m steps.train_backend '{"type": "plda", "chain": ["centre:adapt", "lda:128", "length_norm"],
    "adapt": {"method": "kaldi"}}' --embeddings E.scp --utt2spk utt2spk --adapt A.scp plda.npz
"""

import numpy as np

from sre import SreError
from sre.cli.arguments import Parser, input_file, output_file
from sre.cli.configs import backend_config, in_words
from sre.config.resolve import BACKENDS, needs_adaptation
from sre.datadir.parts import speakers_of_part
from sre.io.ids import check_known
from sre.io.tables import read_ids, read_utt2spk
from sre.machine.environment import note_settings
from sre.machine.log import run, say, warn


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("config", type=backend_config, help=f"a YAML, JSON text, or one of {', '.join(BACKENDS)}")
    parser.add_argument(
        "--embeddings", action="append", required=True, type=input_file, help="training embeddings, scp or ark"
    )
    parser.add_argument("--utt2spk", required=True, type=input_file, help="their speakers")
    parser.add_argument("--adapt", type=input_file, help="embeddings of the target domain, for back-ends that adapt")
    parser.add_argument(
        "--leave-out", type=input_file, help="speakers not to fit on, one a line (of a development list)"
    )
    parser.add_argument("--record-failure", action="store_true", help="what cannot be fitted becomes the report's row")
    parser.add_argument("backend", type=output_file, help="the back-end file to write")
    args = parser.parse_args(argv)
    from sre.backends import fit, save
    from sre.backends.files import save_failure
    from sre.io.embeddings import Embeddings
    from sre.scoring.read_cohort import read_training

    if not args.leave_out:  # fitted without some speakers, it is a development list's
        note_settings(backends={args.backend.stem: args.config})
    if args.adapt and not needs_adaptation(args.config):
        raise SreError("--adapt: the back-end has no adapt and no centre:adapt in its chain; give one, or leave it out")
    training = read_training(args.embeddings, args.utt2spk)
    config = {key: value for key, value in args.config.items() if key != "speakers"}
    if part := args.config.get("speakers"):
        assert training.speakers is not None
        everyone = read_utt2spk(args.utt2spk).values()
        training = training.subset(np.isin(training.speakers, [*speakers_of_part(everyone, **part)]))
    speakers = training.speakers
    assert speakers is not None  # those of utt2spk
    if args.leave_out:
        left_out = read_ids(args.leave_out)
        check_known(args.leave_out, left_out, read_utt2spk(args.utt2spk).values(), args.utt2spk)
        kept = ~np.isin(speakers, left_out)
        training, speakers = training.subset(kept), speakers[kept]
    adapt = Embeddings.read([args.adapt]).vectors if args.adapt else None
    try:
        backend = fit(config, training.vectors, speakers, adapt)
    except (SreError, np.linalg.LinAlgError) as error:
        if not args.record_failure:
            raise
        warn(f"cannot be fitted: {error}")
        save_failure(args.backend, str(error))
        return
    save(args.backend, backend)
    say(f"{args.backend}: " + in_words(backend.facts))


if __name__ == "__main__":
    run(main)
