"""Training beside busy processes: how waiting threads wait decides what is left of its rate.

python -m benchmarks.beside --out benchmarks/beside.md    # half an hour, with nothing else on the machine

Each measurement is a whole `steps.train_embedding` on synthetic features (seeded); its rate is that of the last epoch.
A busy process is one Python thread that never sleeps. Settings take turns, so that a machine that slows down slows all.
"""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.scoring import machine
from sre.cli.arguments import Parser, output_file, whole
from sre.config.resolve import resolve_features, resolve_model
from sre.config.schema import Schema
from sre.datadir.datadir import write_data_dir
from sre.io.ark import write_ark
from sre.io.atomic import atomic_output, sha256_file
from sre.io.scp import read_scp
from sre.io.text import canonical

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
MODELS = {"xvector": (64, 70), "ecapa": (32, 24), "resnet34": (32, 8)}  # chunks a batch, batches an epoch
WIDTHS = {"xvector": "quick_xvector", "ecapa": "quick_ecapa", "resnet34": "resnet34_narrow"}
SETTINGS = {  # libgomp's own default; what sre sets; sleeping at once
    "spin 300,000 times (libgomp's default)": {"GOMP_SPINCOUNT": "300000"},
    "spin 1,000 times (ours)": {},
    "sleep at once": {"OMP_WAIT_POLICY": "PASSIVE"},
}
BUSY = (0, 1, 2)
SPEAKERS, FRAMES, EPOCHS = 16, 210, 2


def make_data(folder: Path, utts: int) -> None:
    """A data directory of 80 noise features, with as many utterances as an epoch has chunks."""
    draw = np.random.default_rng(1)
    names = [f"s{number % SPEAKERS:02}_{number:04}" for number in range(utts)]
    records = [(name, draw.normal(size=(FRAMES, 80)).astype(np.float32)) for name in names]
    folder.mkdir(parents=True)
    write_ark(folder / "feats.ark", folder / "raw.scp", records)
    write_data_dir(folder, feats=read_scp(folder / "raw.scp"), utt2spk={name: name[:3] for name in names})


def config_of(model: str, batch: int) -> str:
    """The model's resolved config as a command takes it: two short epochs, nobody held out."""
    schema = Schema(RECIPES / "config.schema.yaml")
    features = {"fbank80": resolve_features(schema, {"num_mel_bins": 80}, 16000, "fbank80")}
    config = resolve_model(schema, RECIPES / "custom" / "models" / f"{WIDTHS[model]}.yaml", features, 1)
    config["training"] |= {"epochs": EPOCHS, "batch_size": batch, "average_last": 1, "warmup_epochs": 0}
    config["validation"] |= {"speakers": 0, "utterances": 0}
    config["filter"] |= {"min_frames": 50, "min_utterances": 1}
    return canonical(config)


@contextmanager
def busy(count: int):
    """Keep `count` threads of other processes busy meanwhile."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def measure(config: str, data: Path, out: Path, settings: dict[str, str], beside: int) -> tuple[float, str]:
    """Chunks a second of the last epoch, and the digest of the model that came out."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    command = [sys.executable, "-m", "steps.train_embedding", config, "--data", str(data), "--device", "cpu", str(out)]
    with busy(beside):
        subprocess.run(command, env=clean | settings, check=True, stderr=subprocess.DEVNULL)
    last = json.loads((out.parent / "history.jsonl").read_text().splitlines()[-1])
    return last["utt_per_s"], sha256_file(out)


def compare(folder: Path, settings: dict[str, dict[str, str]], models: list[str], repeats: int) -> list[str]:
    """Lines of a Markdown table: medians of `repeats`, and what is left beside busy processes."""
    lines = [
        "| network | waiting threads | alone, chunks/s | beside one | beside two | bytes |",
        "|---|---|---|---|---|---|",
    ]
    for model in models:
        batch, batches = MODELS[model]
        data, config = folder / f"{model}_data", config_of(model, batch)
        make_data(data, batch * batches)
        rates: dict[tuple[str, int], list[float]] = {}
        digests = set()
        for turn in range(repeats):
            for beside in BUSY:
                for number, (name, env) in enumerate(settings.items()):
                    out = folder / f"{model}_{number}_{beside}_{turn}" / "final.pt"
                    rate, digest = measure(config, data, out, env, beside)
                    rates.setdefault((name, beside), []).append(rate)
                    digests.add(digest)
                    print(model, name, beside, f"{rate:.1f}", flush=True)
        same = "the same in all" if len(digests) == 1 else f"{len(digests)} kinds"
        for name in settings:
            alone, *others = (float(np.median(rates[name, beside])) for beside in BUSY)
            left = " | ".join(f"{rate:.1f} ({100 * rate / alone:.0f} %)" for rate in others)
            lines.append(f"| {model} | {name} | {alone:.1f} | {left} | {same} |")
    return lines


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--out", type=output_file, required=True, help="the Markdown page that is written")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="networks to train")
    parser.add_argument("--repeats", type=whole(1), default=3, help="trainings of each kind; the median counts")
    parser.add_argument("--also", nargs="*", default=[], metavar="NAME=VALUE", help="further settings, each alone")
    args = parser.parse_args(argv)
    settings = SETTINGS | {text: dict([text.split("=", 1)]) for text in args.also}
    with tempfile.TemporaryDirectory() as folder:
        table = compare(Path(folder), settings, args.models, args.repeats)
    with atomic_output(args.out) as file:
        print("# Training beside other work\n", file=file)
        print(f"`python -m benchmarks.beside {' '.join(sys.argv[1:])}`: {machine()}\n", file=file)
        print("\n".join(table), file=file)
    print(args.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
