"""Train a speaker-embedding network; the same command resumes after a kill.

python -m steps.train_embedding recipes/mini/models/xvector.yaml --data data/mini_train exp/mini/xvector/final.pt
"""

from argparse import Namespace

from sre.cli.arguments import Parser, input_file, input_folder, output_file, seed
from sre.cli.configs import audio_rules, config_argument, model_config
from sre.config.distort import Files
from sre.machine.log import run
from sre.training.reporting import as_rank
from steps.arguments import add_run_options, add_vector_options, beside_of, run_options_of


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "config", type=config_argument, help="a model's YAML, or its resolved config, as JSON text or in a file"
    )
    parser.add_argument(
        "--data", action="append", required=True, type=input_folder, help="data directory with utt2spk; may be repeated"
    )
    parser.add_argument(
        "--feats",
        action="append",
        type=input_file,
        help="feats.scp of each --data, where it is elsewhere; or its embeddings",
    )
    sound = "with source: audio: sample_rate, resample, channel, …: a YAML, as a recipe's config.yaml, or JSON text"
    parser.add_argument("--audio", type=config_argument, metavar="CONFIG", help=sound)
    prepared = "data directory that local.{} has written, which augment.distort takes {} from"
    parser.add_argument("--noises", type=input_folder, metavar="DIR", help=prepared.format("prepare_musan", "noises"))
    parser.add_argument("--rooms", type=input_folder, metavar="DIR", help=prepared.format("prepare_rirs", "rooms"))
    base = "final.pt that it starts from, where the config's init names a model (default: init, where that is a path)"
    parser.add_argument("--init", type=input_file, metavar="FILE", help=base)
    add_vector_options(parser)
    parser.add_argument("--development", action="store_true", help="hold out up to half: those of a development list")
    parser.add_argument("--seed", type=seed, metavar="N", help="of all draws (default: the config's, else 1)")
    add_run_options(parser)
    parser.add_argument("out", type=output_file, help="the model bundle, final.pt")
    args = parser.parse_args(argv)
    from sre.features.store import FeatureStore, find_feats
    from sre.training.launch import run_in_ranks

    def made_of(features: str) -> dict:
        return FeatureStore(args.feats[0] if args.feats else find_feats(args.data[0], features)).config

    files = Files([kind for kind, folder in (("noise", args.noises), ("room", args.rooms)) if folder])
    config = model_config(args.config, args.seed, made_of, files)
    config["training"] |= run_options_of(args)
    audio = config.get("source", "features") == "audio"
    if idle := [name for name in (("feats",) if audio else ("audio", "noises", "rooms")) if getattr(args, name)]:
        parser.error(f"--{idle[0]} would do nothing, as the model has source: {config.get('source', 'features')}")
    if args.init and not config.get("init"):
        parser.error("--init would do nothing, as the model has no init; write it into its YAML")
    run_in_ranks("steps.train_embedding", argv, config, args.device, args.out) or _train(args, config, audio)


@as_rank()
def _train(args: Namespace, config: dict, audio: bool) -> None:
    from sre.datadir.datadir import read_originals
    from sre.io.bulk import read_labels
    from sre.training.inputs import Store, audio_stores, distorter_of, feature_stores, vector_stores
    from sre.training.job import train

    distorter, stores = None, list[Store]()
    if audio:
        stores += audio_stores(args.data, config, audio_rules(args.audio, config["feature_config"]["sample_rate"]))
        distorter = distorter_of(config, args.noises, args.rooms)
    elif config.get("source") == "embeddings":
        stores += vector_stores(args.data, args.feats, config["embeddings_of"])
    else:
        stores += feature_stores(args.data, args.feats, config["features"])
    more = distorter, read_originals(args.data), args.development, args.init, beside_of(args, config)
    train(config, stores, [read_labels(folder / "utt2spk") for folder in args.data], args.out, args.device, *more)


if __name__ == "__main__":
    run(main)
