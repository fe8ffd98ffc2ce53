"""Features of a data dir, as archives with feats.scp, utt2num_frames, config and rejected.tsv.

e.g.: python -m steps.make_features fbank data/mini_train data/mini_train/feats/fbank80
      python -m steps.make_features mfcc data/train data/train/feats/mfcc30 --num-workers 8

steps.make_fbank and steps.make_mfcc are the same without the word TYPE. With --shard K/N, only the K-th of N archives
is made; steps.join_features joins them.
"""

from sre.cli.arguments import Parser, input_folder, output_folder, processes, shard
from sre.cli.configs import DEFAULT_FEATURES, audio_rules, audio_section, config_argument, feature_config, in_words
from sre.machine.log import run
from steps.arguments import add_max_rejected


def main(argv: list[str] | None = None, kind: str = "", doc: str | None = __doc__) -> None:
    kinds = [kind] if kind else list(DEFAULT_FEATURES)
    defaults = "; ".join(f"{one}: {in_words(DEFAULT_FEATURES[one])}" for one in kinds if DEFAULT_FEATURES[one])
    about = f"Without --config: {defaults}. What it leaves out is as in recipes/config.schema.yaml. OUT/config has all."
    parser = Parser(description=doc, epilog=about)
    if not kind:
        parser.add_argument("type", choices=kinds, metavar="TYPE", help=" or ".join(kinds))
    parser.add_argument("data", type=input_folder, help="data directory; needs only wav.scp, or feats.scp to take over")
    parser.add_argument("out", type=output_folder, help="folder for feats.scp and what belongs to it")
    options = "a YAML of options, JSON text, the config beside other features, or the final.pt that is to take these"
    names = ["--config", *(f"--{one}-config" for one in kinds if one in ("fbank", "mfcc"))]
    parser.add_argument(*names, dest="config", type=config_argument, metavar="CONFIG", help=options)
    parser.add_argument("--num-workers", "--nj", type=processes, default=1, metavar="N", help="processes, and archives")
    sound = "sample_rate (Hz), resample, channel, allow_pipes: a YAML, as a recipe's config.yaml, or JSON text"
    parser.add_argument("--audio", type=config_argument, metavar="CONFIG", help=sound)
    device = "where they are made (default: cpu); auto takes a GPU if there is one"
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="cpu", help=device)
    parser.add_argument("--shard", type=shard, metavar="K/N", help="make only the K-th of N archives")
    add_max_rejected(parser)
    args = parser.parse_args(argv)
    from sre.features.make import import_features
    from sre.features.make_shards import make_all_shards, make_shard, read_checked

    config = feature_config(kind or args.type, args.config, audio_section(args.audio).get("sample_rate"))
    rules, data = audio_rules(args.audio, config["sample_rate"]), read_checked(args.data)
    if data.wav is None and data.feats and not args.shard:  # as steps.import_features
        import_features(data, config, args.out, args.max_rejected)
    elif args.shard:
        number, shards = args.shard
        make_shard(data, config, rules, args.out, shards, args.device, number)
    else:
        make_all_shards(data, config, rules, args.out, args.num_workers, args.max_rejected, args.device)


if __name__ == "__main__":
    run(main)
