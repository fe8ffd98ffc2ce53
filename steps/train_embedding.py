"""Train a speaker-embedding network; the same command resumes after a kill.

python -m steps.train_embedding recipes/mini/models/xvector.yaml --data data/mini_train exp/mini/xvector/final.pt
"""

from sre.cli.arguments import Parser, input_file, input_folder, output_file, seed
from sre.cli.configs import audio_rules, config_argument, model_config
from sre.config.distort import Files
from sre.machine.log import run
from steps.arguments import DEVICES


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
    sound = "with source: audio: sample_rate, resample, allow_pipes: a YAML, as a recipe's config.yaml, or JSON text"
    parser.add_argument("--audio", type=config_argument, metavar="CONFIG", help=sound)
    prepared = "data directory that local.{} has written, which augment.distort takes {} from"
    parser.add_argument("--noises", type=input_folder, metavar="DIR", help=prepared.format("prepare_musan", "noises"))
    parser.add_argument("--rooms", type=input_folder, metavar="DIR", help=prepared.format("prepare_rirs", "rooms"))
    base = "final.pt that it starts from, where the config's init names a model (default: init, where that is a path)"
    parser.add_argument("--init", type=input_file, metavar="FILE", help=base)
    half = "hold out up to half of the speakers: those of a development list (default: up to a fifth)"
    parser.add_argument("--development", action="store_true", help=half)
    stay = "which stay when the model is there (default: training.checkpoints of the config)"
    parser.add_argument("--checkpoints", choices=["none", "last", "all"], help=stay)
    parser.add_argument("--seed", type=seed, metavar="N", help="of all draws (default: the config's, else 1)")
    parser.add_argument("--device", default="auto", choices=DEVICES, help="where it runs; auto: a GPU if there is one")
    parser.add_argument("out", type=output_file, help="the model bundle, final.pt")
    args = parser.parse_args(argv)
    from sre.datadir.datadir import read_originals
    from sre.features.audio_store import AudioStore
    from sre.features.store import FeatureStore, find_feats
    from sre.features.vector_store import VectorStore
    from sre.io.bulk import read_labels
    from sre.training.inputs import audio_stores, distorter_of, feature_stores, vector_stores
    from sre.training.job import train

    def made_of(features: str) -> dict:
        return FeatureStore(args.feats[0] if args.feats else find_feats(args.data[0], features)).config

    files = Files([kind for kind, folder in (("noise", args.noises), ("room", args.rooms)) if folder])
    config = model_config(args.config, args.seed, made_of, files)
    config["training"] |= {"checkpoints": args.checkpoints} if args.checkpoints else {}
    audio = config.get("source", "features") == "audio"
    if idle := [name for name in (("feats",) if audio else ("audio", "noises", "rooms")) if getattr(args, name)]:
        parser.error(f"--{idle[0]} would do nothing, as the model has source: {config.get('source', 'features')}")
    if args.init and not config.get("init"):
        parser.error("--init would do nothing, as the model has no init; write it into its YAML")
    distorter = None
    stores: list[FeatureStore] | list[AudioStore] | list[VectorStore]
    if audio:
        rules = audio_rules(args.audio, config["feature_config"]["sample_rate"])
        stores, distorter = audio_stores(args.data, config, rules), distorter_of(config, args.noises, args.rooms)
    elif config.get("source") == "embeddings":
        stores = vector_stores(args.data, args.feats, config["embeddings_of"])
    else:
        stores = feature_stores(args.data, args.feats, config["features"])
    utt2spks = [read_labels(folder / "utt2spk") for folder in args.data]
    originals = read_originals(args.data)
    train(config, stores, utt2spks, args.out, args.device, distorter, originals, args.development, args.init)


if __name__ == "__main__":
    run(main)
