"""Train a speaker-embedding network; the same command resumes after a kill.

python -m steps.train_embedding recipes/mini/models/xvector.yaml --data data/mini_train exp/mini/xvector/final.pt
"""

from sre import SreError
from sre.cli.arguments import Parser, input_file, input_folder, output_file, seed
from sre.cli.configs import config_argument, model_config
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
        "--feats", action="append", type=input_file, help="feats.scp of each --data, where it is elsewhere"
    )
    parser.add_argument("--seed", type=seed, metavar="N", help="of all draws (default: the config's, else 1)")
    parser.add_argument("--device", default="auto", choices=DEVICES, help="where it runs; auto: a GPU if there is one")
    parser.add_argument("out", type=output_file, help="the model bundle, final.pt")
    args = parser.parse_args(argv)
    from sre.features.store import FeatureStore, find_feats
    from sre.io.tables import read_utt2spk
    from sre.training.job import train

    def made(features: str) -> dict:
        return FeatureStore(args.feats[0] if args.feats else find_feats(args.data[0], features)).config

    config = model_config(args.config, args.seed, made)
    scps = args.feats or [find_feats(folder, config["features"]) for folder in args.data]
    if len(scps) == 1:
        scps *= len(args.data)  # one feats.scp of several data dirs
    if len(scps) != len(args.data):
        raise SreError(f"{len(scps)} --feats for {len(args.data)} --data; give one for all, or one for each in order")
    stores = [FeatureStore(scp) for scp in scps]
    train(config, stores, [read_utt2spk(folder / "utt2spk") for folder in args.data], args.out, args.device)


if __name__ == "__main__":
    run(main)
