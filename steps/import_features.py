"""Take over the feats.scp of a data dir without audio: frames are counted, dimensions and CMN are written down.

e.g.: python -m steps.import_features data/theirs data/theirs/feats/fbank40
      python -m steps.import_features data/theirs data/theirs/feats/mfcc30 --config '{"cmn": "sliding"}'
      python -m steps.import_features data/theirs data/theirs/feats/psf40 --config '{"trim": {"seconds": 0.5}}'

Writes OUT/{feats.scp,utt2num_frames,config,rejected.tsv}; the archives stay where they are. Frames are taken to be
10 ms apart: 0.5 s of trim are 50 of them at both ends.
"""

from sre.cli.arguments import Parser, input_folder, output_folder
from sre.cli.configs import feature_config
from sre.machine.log import run
from steps.arguments import add_feature_config, add_max_rejected


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("data", type=input_folder, help="data directory with feats.scp")
    parser.add_argument("out", type=output_folder, help="folder for feats.scp and what belongs to it")
    add_feature_config(parser, "of which cmn, cmn_variance, deltas, trim.seconds and what belongs to them are taken")
    add_max_rejected(parser)
    args = parser.parse_args(argv)
    from sre.features.make import import_features
    from sre.features.make_shards import read_checked

    config = feature_config(args.type, args.config, None)
    import_features(read_checked(args.data), config, args.out, args.max_rejected)


if __name__ == "__main__":
    run(main)
