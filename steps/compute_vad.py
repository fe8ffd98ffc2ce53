"""Energy VAD of MFCCs: vad.{ark,scp} (1 voiced, 0 not), utt2num_voiced and vad_rejected.tsv.

python -m steps.compute_vad data/mini_train/feats/mfcc30/feats.scp data/mini_train/feats/mfcc30
"""

from sre.cli.arguments import Parser, output_folder, share
from sre.cli.configs import config_argument, vad_config
from sre.machine.log import run
from steps.arguments import feats_scp


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
    from sre.features.vad import make_vad

    make_vad(args.feats, args.out, vad_config(args.config), args.max_rejected)


if __name__ == "__main__":
    run(main)
