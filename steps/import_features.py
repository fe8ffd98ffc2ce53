"""Take over the feats.scp of a data dir without audio: frames are counted, dimensions and CMN are written down.

e.g.: python -m steps.import_features data/theirs data/theirs/feats/fbank40
      python -m steps.import_features data/theirs data/theirs/feats/mfcc30 --config '{"cmn": "sliding"}'

Writes OUT/{feats.scp,utt2num_frames,config,rejected.tsv}; the archives stay where they are.
"""

from sre.cli.arguments import Parser, input_folder, output_folder
from sre.cli.configs import feature_config
from sre.machine.log import run
from steps.arguments import add_feature_config


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("data", type=input_folder, help="data directory with feats.scp")
    parser.add_argument("out", type=output_folder, help="folder for feats.scp and what belongs to it")
    add_feature_config(parser, "of which cmn, cmn_variance, deltas and what belongs to them are taken")
    args = parser.parse_args(argv)
    from sre.features.make import import_features
    from sre.features.make_shards import read_checked

    import_features(read_checked(args.data), feature_config(args.type, args.config, None), args.out)


if __name__ == "__main__":
    run(main)
