"""Features of a data directory: decode -> extract -> archive, a shard a process; what does not decode is rejected."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from sre import SreError
from sre.datadir.datadir import DataDir, write_rejected_rows
from sre.features.fbank import FeatureExtractor, FeatureOptions
from sre.io import audio
from sre.io.ark import read_record, write_ark
from sre.io.atomic import atomic_output, locked
from sre.io.record import check_usable
from sre.io.scp import absolute
from sre.io.tables import write_table
from sre.io.text import canonical
from sre.machine.log import Progress, say, warn

Wave = tuple[str, np.ndarray]
BATCH_SECONDS = 60  # of audio that is decoded before features are made of it


def options_of(config: dict, sample_rate: int) -> FeatureOptions:
    """The extractor's part of a resolved feature config."""
    known = {field.name for field in fields(FeatureOptions)}
    return FeatureOptions(**{key: value for key, value in config.items() if key in known}, sample_frequency=sample_rate)


def waves(data: DataDir, utts: Sequence[str], audio_config: dict, shortest_s: float, rejected: list) -> Iterator[Wave]:
    """Yield (utterance, samples on int16's scale); a recording is decoded once for its consecutive segments.

    What cannot be used, a recording with all its segments or a single one, is added to `rejected` with its reason.
    """
    location, recording, fault = None, None, ""
    for utt in utts:
        name, start, end = data.segments[utt] if data.segments else (utt, 0.0, None)
        try:
            if location != data.wav[name]:
                location, recording = data.wav[name], None
                recording = audio.load(location, **audio_config)
            if recording is None:
                raise audio.AudioError(fault)
            yield utt, recording.piece(start, end, shortest_s)
        except audio.AudioError as error:
            fault = str(error)
            rejected.append((utt, data.wav[name], fault))


def make_features(data: DataDir, utts: Sequence[str], config: dict, audio_config: dict, out: Path, name: str) -> None:
    """Write out/feats<name>.{ark,scp}, utt2num_frames<name> and rejected<name>.tsv of the given utterances.

    Progress is in seconds of audio a second.
    """
    rejected: list[tuple[str, str, str]] = []
    frames: dict[str, int] = {}
    seconds = 0.0
    begun = time.monotonic()
    progress = Progress(f"{config['type']}{name}", len(utts), "utt")

    def records() -> Iterator[Wave]:
        nonlocal seconds
        extractor = FeatureExtractor(options_of(config, audio_config["sample_rate"]))
        batch: list[Wave] = []
        waiting = 0.0
        shortest_s = max(audio.MIN_DURATION_S, config["frame_length"] / 1000)
        for utt, wave in waves(data, utts, audio_config, shortest_s, rejected):
            batch.append((utt, wave))
            waiting += len(wave) / audio_config["sample_rate"]
            if waiting >= BATCH_SECONDS:
                yield from features(extractor, batch)
                seconds, batch, waiting = seconds + waiting, [], 0.0
        seconds += waiting
        yield from features(extractor, batch)

    def features(extractor: FeatureExtractor, batch: list[Wave]) -> Iterator[tuple[str, np.ndarray]]:
        matrices = extractor([wave for _, wave in batch], dither_seed=batch[0][0] if batch else "")
        for (utt, _), matrix in zip(batch, matrices, strict=True):
            frames[utt] = len(matrix)
            yield utt, matrix.numpy()
        progress.add(len(batch), f"{seconds / max(time.monotonic() - begun, 1e-9):.0f} s of audio a second")

    with locked(out / f".feats{name}.lock"):
        write_ark(out / f"feats{name}.ark", out / f"feats{name}.scp", records(), config["compression"])
        write_table(out / f"utt2num_frames{name}", frames)
        write_rejected_rows(out / f"rejected{name}.tsv", rejected)
        took = progress.close(f"({seconds:.0f} s of audio)")
        rate = f"{seconds / max(took, 1e-9):.0f} s of audio a second"
        say(f"{config['type']}{name}: {len(utts)} utt, {rate}, {len(rejected)} rejected")


def import_features(data: DataDir, cmn: dict, out: Path) -> None:
    """Take over the feats.scp of a data dir without audio: resolved places, counted frames, checked dimension."""
    if not data.feats:
        raise SreError(f"{data.path}: neither wav.scp nor feats.scp; a data dir needs one of them")
    scp = data.path / "feats.scp"
    frames, dimension = _read_shapes(scp, data.feats)
    write_table(out / "feats.scp", absolute(data.feats))
    write_table(out / "utt2num_frames", frames)
    write_rejected_rows(out / "rejected.tsv", [])
    with atomic_output(out / "config") as file:
        file.write(canonical({"type": "given", "dimension": dimension, **cmn}) + "\n")
    say(f"{data.path}: {len(frames)} utterances of {dimension} features are used as they are, with CMN ({cmn['cmn']})")
    if (data.path / "vad.scp").exists():
        warn(f"{data.path}/vad.scp is not used: all frames of features without audio are kept")


def _read_shapes(scp: Path, places: Mapping[str, str]) -> tuple[dict[str, int], int]:
    """Utterance -> frames, and the dimension of all. Raises one SreError with what cannot be used, and how much."""
    shapes: dict[str, tuple[int, ...]] = {}
    unusable: list[SreError] = []
    constant: list[str] = []
    progress = Progress("import", len(places), "utt")
    for utt, place in sorted(places.items()):
        try:
            feats = read_record(utt, place, "matrix", scp)
            shapes[utt] = feats.shape
            if len(feats) > 1 and (feats == feats[0]).all():
                constant.append(utt)
        except SreError as error:
            unusable.append(error)
        progress.add(1)
    progress.close()
    remedy = "make them again, or take them out of the data dir"
    check_usable(scp, unusable, len(places))
    if empty := [utt for utt, shape in shapes.items() if 0 in shape]:
        some = f"{len(empty)} of {len(shapes)} utterances have no frames, e.g. '{empty[0]}' {shapes[empty[0]]}"
        raise SreError(f"{scp}: {some}; {remedy}")
    if constant:
        some = f"{len(constant)} of {len(shapes)} utterances have no signal: all frames of '{constant[0]}' are equal"
        raise SreError(f"{scp}: {some}; {remedy}")
    counts = Counter(columns for _, columns in shapes.values())
    usual = counts.most_common(1)[0][0]
    if odd := [utt for utt, shape in shapes.items() if shape[1] != usual]:
        some = f"{len(odd)} of {len(shapes)} utterances, e.g. '{odd[0]}' with {shapes[odd[0]][1]} columns"
        raise SreError(f"{scp}: {some}, have another dimension than the others' {usual}; {remedy}")
    return {utt: shape[0] for utt, shape in shapes.items()}, usual
