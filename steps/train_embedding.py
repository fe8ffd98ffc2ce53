"""Train a speaker-embedding network; the same command resumes after a kill.

python -m steps.train_embedding recipes/mini/models/xvector.yaml --data data/mini_train exp/mini/xvector/final.pt
"""

import argparse
from pathlib import Path

from sre import SreError
from sre.io.feats import FeatureStore
from sre.io.tables import read_table
from sre.log import run
from sre.training.job import train
from steps.common import find_feats, model_config


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="a model's YAML, or its resolved config as JSON text")
    parser.add_argument("--data", action="append", required=True, type=Path, help="data directory with utt2spk")
    parser.add_argument("--feats", action="append", type=Path, help="feats.scp of each --data, where it is elsewhere")
    parser.add_argument("--seed", type=int, default=1, help="with a YAML config")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("out", type=Path, help="the model bundle, final.pt")
    args = parser.parse_args(argv)
    config = model_config(args.config, args.seed)
    scps = args.feats or [find_feats(folder, config["features"]) for folder in args.data]
    if len(scps) == 1:
        scps *= len(args.data)  # one feats.scp of several data dirs
    if len(scps) != len(args.data):
        raise SreError(f"{len(scps)} --feats for {len(args.data)} --data; give one for all, or one for each in order")
    stores = [FeatureStore(scp) for scp in scps]
    train(config, stores, [read_table(folder / "utt2spk") for folder in args.data], args.out, args.device)


if __name__ == "__main__":
    run(main)
