"""Training crops of distorted audio beside a per-utterance processor, and what a training waits for its data.

python -m benchmarks.augment /data/LibriSpeech --noises NOISES --out benchmarks/augment.md
python -m benchmarks.augment /data/LibriSpeech --noises NOISES --memory 30    # minutes of a training; add --out too

NOISES has musan/ and RIRS_NOISES/ in the official layouts, as `local.make_mini_noises` makes them. Crops have 2 s, with
WeSpeaker's distortions: speed 0.9, 1 or 1.1; with probability 0.6 a room or a noise, each half of the time. The
processor is written as WeSpeaker's dataset/processor.py works: it decodes a whole file, changes the speed of the whole
(here by torchaudio's resample), cuts a chunk, convolves by scipy or reads a whole noise, and calls torchaudio's
compliance.kaldi.fbank, one utterance at a time. Both sides have one thread, and take turns.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile
import torch
import torchaudio

from benchmarks.scoring import machine
from local import prepare_librispeech, prepare_musan, prepare_rirs
from sre.cli.arguments import Parser, input_folder, output_file, whole
from sre.config.resolve import resolve_features, resolve_model_config
from sre.config.schema import Schema
from sre.datadir.datadir import read_data_dir, write_data_dir
from sre.features.audio_store import AudioStore
from sre.features.make_shards import make_all_shards
from sre.io.audio import AudioRules
from sre.io.tables import read_table
from sre.io.text import canonical
from sre.machine.cores import available_cores
from sre.training.audio_source import Audio
from sre.training.augment import Augmentation
from sre.training.batches import UtteranceBatches
from sre.training.chunks import make_loader
from sre.training.inputs import distorter_of

ROOT = Path(__file__).resolve().parents[1]
RATE, FRAMES, SAMPLES, BATCH, REPEATS, BATCHES = 16000, 200, 32240, 64, 5, 4
TITLE, START_S = "# Training from audio\n", 120
SPEEDS = (0.9, 1.0, 1.1)
SNRS = {"noise": (0, 15), "speech": (10, 30), "music": (5, 15)}  # dB, WeSpeaker's


def wespeakers(noises: Path) -> list[dict]:
    """augment.distort as WeSpeaker's: noise files drawn uniformly, whatever their category."""
    categories = list(read_table(noises / "utt2category").values())
    kinds: list[dict] = [
        {"kind": "room", "categories": sorted(set(read_table(noises.parent / "rirs/utt2category").values()))}
    ]
    for name, snr in SNRS.items():
        weight = categories.count(name) / sum(categories.count(one) for one in SNRS)
        kinds.append({"kind": "noise", "categories": [name], "snr": list(snr), "weight": weight})
    return [{"probability": 0.6, "one_of": kinds}]


def config_of(distort: list[dict], **changed: object) -> dict:
    """A resolved config of the x-vector of Snyder et al. on 80 fbank."""
    schema = Schema(ROOT / "recipes/config.schema.yaml")
    features = {"fbank80": resolve_features(schema, {"window_type": "hamming"}, RATE, "fbank80")}
    augment = {"speeds": [0.9, 1.1], **({"distort": distort} if distort else {})}
    training = {"batch_size": BATCH, "epochs": 1, "average_last": 1, "warmup_epochs": 0, "lr": 0.01}
    model = {"features": "fbank80", "architecture": "xvector", "augment": augment, "training": training}
    model |= {"validation": {"speakers": 0, "utterances": 0}, "filter": {"min_frames": 50, "min_utterances": 1}}
    return resolve_model_config(schema, {**model, **changed}, "x-vector", features, 1)


class PerUtterance:
    """Chunks as a processor makes them that takes one utterance after the other."""

    def __init__(self, files: list[str], noises: dict[str, str], rooms: list[str]) -> None:
        self.files, self.noises, self.rooms, self.draw = files, noises, rooms, np.random.default_rng(1)

    def __call__(self) -> torch.Tensor:
        wave, rate = soundfile.read(self.files[self.draw.integers(len(self.files))], dtype="float32")
        speed = SPEEDS[self.draw.integers(3)]
        if speed != 1:
            wave = torchaudio.functional.resample(torch.from_numpy(wave), int(rate * speed), rate).numpy()
        wave = self.chunk(wave)
        if self.draw.random() < 0.6:
            wave = self.in_room(wave) if self.draw.random() < 0.5 else self.with_noise(wave)
            wave = wave / (np.abs(wave).max() + 1e-4)
        scaled = torch.from_numpy(wave.astype(np.float32))[None] * (1 << 15)
        fbank = torchaudio.compliance.kaldi.fbank(
            scaled, num_mel_bins=80, window_type="hamming", sample_frequency=rate, dither=0.0
        )
        return fbank - fbank.mean(dim=0)

    def chunk(self, wave: np.ndarray) -> np.ndarray:
        if len(wave) < SAMPLES:
            return np.tile(wave, SAMPLES // len(wave) + 1)[:SAMPLES]
        start = self.draw.integers(len(wave) - SAMPLES + 1)
        return wave[start : start + SAMPLES]

    def in_room(self, wave: np.ndarray) -> np.ndarray:
        response, _ = soundfile.read(self.rooms[self.draw.integers(len(self.rooms))])
        response = response / np.sqrt(np.sum(response**2))
        return scipy.signal.convolve(wave, response, mode="full")[: len(wave)]

    def with_noise(self, wave: np.ndarray) -> np.ndarray:
        file, category = list(self.noises.items())[self.draw.integers(len(self.noises))]
        noise = self.chunk(soundfile.read(file)[0])
        snr = self.draw.uniform(*SNRS[category])
        wave_db, noise_db = (10 * np.log10(np.mean(part**2) + 1e-4) for part in (wave, noise))
        return wave + noise * np.sqrt(10 ** ((wave_db - noise_db - snr) / 10))


def timed(work: Callable[[], int]) -> float:
    """Crops a second."""
    begun = time.perf_counter()
    return work() / (time.perf_counter() - begun)


def crops(data: Path, noises: Path, rooms: Path) -> list[str]:
    """Rows of crops a second, on one thread of one process."""
    torch.set_num_threads(1)
    store = AudioStore(read_data_dir(data / "train"), config_of([])["feature_config"], AudioRules())
    model = config_of(wespeakers(noises), source="audio")
    sources = []
    for kept in (False, True):
        source = Audio(
            [store],
            [(0, utt) for utt in store.places],
            Augmentation(**model["augment"]),
            distorter_of(model, noises, rooms),
        )
        if kept:
            source.keep()
        sources.append(source)

    def ours(source: Audio) -> int:
        draws = source.augmentation.num_draws
        count = max(1, BATCH * BATCHES // len(source) + 1)
        batches = UtteranceBatches(BATCH, count, (FRAMES, FRAMES), int(time.time()), draws, num_utts=len(source))
        done = 0
        for batch in make_loader(source, batches, 0):
            assert source.prepared(batch.chunks, batch.draws).shape == (BATCH, FRAMES, 80)
            if (done := done + BATCH) >= BATCH * BATCHES:
                break
        return done

    wav, kinds = read_data_dir(noises, need_speakers=False).wav or {}, read_table(noises / "utt2category")
    added = {wav[key]: kinds[key] for key in wav if kinds[key] in SNRS}
    files = list((read_data_dir(data / "train").wav or {}).values())
    theirs = PerUtterance(files, added, list((read_data_dir(rooms, need_speakers=False).wav or {}).values()))

    def processor() -> int:
        stacked = torch.stack([theirs() for _ in range(BATCH)])
        assert stacked.shape == (BATCH, FRAMES, 80)
        return BATCH

    rates = [[timed(processor), *(timed(lambda s=s: ours(s)) for s in sources)] for _ in range(REPEATS + 1)][1:]
    loop, pieces, kept_rate = map(statistics.median, zip(*rates, strict=True))
    ratios = [statistics.median(row[n] / row[0] for row in rates) for n in (1, 2)]
    return [
        "| crops of 2 s, one thread | crops a second | times the processor |",
        "|---|--:|--:|",
        f"| per-utterance processor (soundfile, scipy, torchaudio) | {loop:.0f} | 1 |",
        f"| `source: audio`, pieces of files decoded | {pieces:.0f} | {ratios[0]:.2f} |",
        f"| `source: audio`, the corpus kept in memory | {kept_rate:.0f} | {ratios[1]:.2f} |",
    ]


def training(folder: Path, model: dict, options: list[str]) -> list[dict]:
    """Train by the command; the rows of history.jsonl."""
    command = [sys.executable, "-m", "steps.train_embedding", canonical(model), "--device", "cpu", *options]
    subprocess.run([*command, str(folder / "final.pt")], cwd=ROOT, env=environment(), check=True, capture_output=True)
    return [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(available_cores())}


def waits(data: Path, noises: Path, rooms: Path) -> list[str]:
    """Rows of an x-vector's training: its rate, and the share of its time that it waits for data."""
    train = data / "train"
    make_all_shards(read_data_dir(train), config_of([])["feature_config"], AudioRules(), data / "feats", 1, 0.0)
    epochs = {"batch_size": BATCH, "epochs": 6, "average_last": 1, "warmup_epochs": 0, "lr": 0.01}
    more = ["--noises", str(noises), "--rooms", str(rooms)]
    cases: dict[str, tuple[dict, list[str]]] = {
        "archives, speed": (config_of([], training=epochs), ["--feats", str(data / "feats/feats.scp")]),
        "audio, speed": (config_of([], training=epochs, source="audio"), []),
        "audio, speed, noise, rooms": (config_of(wespeakers(noises), training=epochs, source="audio"), more),
    }
    lines = [
        f"| an x-vector (channels 512) on {available_cores()} cores | utterances a second | data wait |",
        "|---|--:|--:|",
    ]
    for name, (model, options) in cases.items():
        rows = training(data / name.replace(", ", "_"), model, ["--data", str(train), *options])[1:]
        rate, wait = (statistics.median(row[key] for row in rows) for key in ("utt_per_s", "data_wait"))
        lines.append(f"| {name} | {rate:.0f} | {100 * wait:.1f} % |")
    return lines


def tree_of(pid: int) -> list[int]:
    """A process and those that it has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return [pid, *(one for child in children for one in tree_of(int(child)))]


def memory_of(pid: int) -> float:
    """Memory that a process and its children alone have, in MB: what they share counts once.

    That is anonymous and shared memory, in swap too. Mapped files, as libraries are, are left out: which share of them
    is whose changes with what other processes run.
    """
    total = 0
    for one in tree_of(pid):
        lines = Path(f"/proc/{one}/smaps_rollup").read_text(encoding="utf-8").splitlines()
        sizes = {name: int(size.split()[0]) for name, size in (line.split(":") for line in lines[1:])}
        total += sum(sizes[name] for name in ("Pss_Anon", "Pss_Shmem", "SwapPss"))
    return total / 1024


def memory(data: Path, noises: Path, rooms: Path, minutes: int) -> list[str]:
    """Train from audio for so many minutes; rows of the memory of all processes in tenths of them.

    The first two minutes, in which the processes start and their caches fill, are left out.
    """
    train, copies = read_data_dir(data / "train"), range(8)  # as an epoch of three steps would mostly save checkpoints
    wav = {f"{utt}-{copy}": place for utt, place in (train.wav or {}).items() for copy in copies}
    utt2spk = {f"{utt}-{copy}": speaker for utt, speaker in (train.utt2spk or {}).items() for copy in copies}
    write_data_dir(data / "many", wav=wav, utt2spk=utt2spk)
    many = {"batch_size": BATCH, "epochs": 1_000_000, "average_last": 1, "warmup_epochs": 0, "lr": 0.01}
    model = config_of(wespeakers(noises), training=many, source="audio")
    command = [sys.executable, "-m", "steps.train_embedding", canonical(model), "--device", "cpu", "--data"]
    command += [str(data / "many"), "--noises", str(noises), "--rooms", str(rooms), str(data / "memory/final.pt")]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60 * minutes
    seen: list[float] = []
    try:
        time.sleep(START_S)
        while time.monotonic() < end:
            if process.poll() is not None:
                raise SystemExit(f"the training has ended, with status {process.returncode}")
            seen.append(memory_of(process.pid))
            time.sleep(2)
    finally:
        process.kill()
        process.wait()
    medians = [statistics.median(part) for part in np.array_split(seen, 10)]
    change = 100 * (medians[-1] / medians[0] - 1)
    return [
        f"`--memory {minutes}`, {date.today()}: a training from audio with noise and rooms for {minutes} minutes.",
        "The first two are left out. Anonymous and shared memory of all its processes, what they share once, without",
        "mapped files:",
        "",
        "| tenth | " + " | ".join(map(str, range(1, 11))) + " | most | first to last |",
        "|---" + "|--:" * 12 + "|",
        f"| MB | {' | '.join(f'{size:.0f}' for size in medians)} | {max(seen):.0f} | {change:+.2f} % |",
    ]


def kept_beside(out: Path, heading: str, lines: list[str]) -> None:
    """Write a section of a Markdown file, in the place of the one before; other sections stay."""
    text = out.read_text(encoding="utf-8") if out.is_file() else TITLE
    sections = {part.split("\n")[0]: part for part in text.split("\n## ")[1:]}
    sections[heading] = "\n".join([heading, "", *lines]) + "\n"
    out.write_text(TITLE + "".join(f"\n## {part.rstrip()}\n" for part in sections.values()), encoding="utf-8")


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("corpus", type=input_folder, help="LibriSpeech, or a part of it")
    parser.add_argument("--noises", type=input_folder, required=True, help="folder of musan/ and RIRS_NOISES/")
    parser.add_argument("--memory", type=whole(3), metavar="MINUTES", help="only train for so long, and look at memory")
    parser.add_argument("--out", type=output_file, help="a Markdown file, besides stdout; its other section stays")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        noises, rooms = data / "musan", data / "rirs"
        parts = sorted(path.name for path in args.corpus.iterdir() if path.is_dir() and "-" in path.name)
        prepare_librispeech.main([str(args.corpus), str(data / "train"), "--parts", *parts])
        prepare_musan.main([str(args.noises / "musan"), str(noises)])
        prepare_rirs.main([str(args.noises / "RIRS_NOISES"), str(rooms)])
        if args.memory:
            heading, lines = "Memory", memory(data, noises, rooms, args.memory)
        else:
            heading, lines = "Speed", [f"`python -m benchmarks.augment`: {machine()}", "", *crops(data, noises, rooms)]
            lines += ["", *waits(data, noises, rooms)]
    print("\n".join(lines))
    if args.out:
        kept_beside(args.out, heading, lines)


if __name__ == "__main__":
    main()
