"""The VAD of a split's features as that of a distorted copy: the same decisions under the copy's utterance ids.

e.g.: python -m steps.copy_vad data/train/feats/mfcc30 data/train_noise/feats/mfcc30 --suffix=-noise
"""

from sre.cli.arguments import Parser, input_folder, output_folder
from sre.machine.log import run


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("source", type=input_folder, help="folder with vad.scp and utt2num_voiced of the clean split")
    parser.add_argument("out", type=output_folder, help="folder of the copy's features")
    parser.add_argument("--suffix", default="", help="what the copy's utterance ids end in, as in steps.copy_distorted")
    args = parser.parse_args(argv)
    from sre.augment.labels import copy_vad

    copy_vad(args.source, args.out, args.suffix)


if __name__ == "__main__":
    run(main)
