"""Features of a data directory: decode -> extract -> archive, a shard a process; what does not decode is rejected."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, groupby, repeat
from pathlib import Path
from typing import Any

import numpy as np

from sre import SreError
from sre.datadir.datadir import DataDir
from sre.datadir.rejected import Rejected, write_rejected, write_rejected_rows
from sre.features.extractor import extractor_of
from sre.features.store import reading_of, write_config
from sre.features.trim import frames_left
from sre.features.types import FROM_ELSEWHERE, options_of
from sre.features.waves import Wave, Waves, shortest_s
from sre.io.ark import read_record, write_ark
from sre.io.atomic import locked
from sre.io.audio import AudioError, AudioRules
from sre.io.record import check_usable
from sre.io.scp import absolute, rows_of
from sre.io.tables import write_table
from sre.io.text_tables import changed
from sre.machine.cores import available_cores
from sre.machine.device import choose_device
from sre.machine.log import Progress, say, warn

BATCH_SECONDS = {"cpu": 60, "cuda": 1200}  # of audio that is decoded before features are made of it


def make_features(
    data: DataDir,
    utts: Sequence[str],
    config: dict,
    audio_rules: AudioRules,
    out: Path,
    suffix: str,
    device: str = "cpu",
) -> None:
    """Write out/feats<suffix>.{ark,scp}, utt2num_frames<suffix> and rejected<suffix>.tsv of the given utterances.

    suffix : of a shard, as ".3"
    device : auto, cpu or cuda; a GPU's features differ from a CPU's in the last digits, and all cores decode for it
    Progress says how many seconds of audio are done per second. Raises SreError as `Waves.read` does.
    """
    label = f"{config['type']}{suffix}"
    on = choose_device(device)

    def opened() -> Waves:
        return Waves(data, audio_rules, shortest_s(config), config.get("trim"))

    waves = opened()
    decoded = waves.read(utts) if on.type == "cpu" else decoded_in_threads(opened, waves, utts)
    extractor = extractor_of(options_of(config), on)
    progress = Progress(label, len(utts), "utt")
    num_frames: dict[str, int] = {}
    seconds = 0.0

    def records() -> Iterator[tuple[str, np.ndarray]]:  # utterance, (T, F)
        nonlocal seconds
        for batch in batches(decoded, audio_rules.sample_rate, BATCH_SECONDS[on.type]):
            matrices = extractor([wave for _, wave in batch], dither_seed=batch[0][0])
            for (utt, wave), matrix in zip(batch, matrices, strict=True):
                num_frames[utt] = len(matrix)
                seconds += len(wave) / audio_rules.sample_rate
                yield utt, matrix.numpy()
            speed = seconds / max(time.monotonic() - progress.begun, 1e-9)
            progress.add(len(batch), f"{speed:.0f} s of audio a second")

    with locked(out / f".feats{suffix}.lock"):
        write_ark(out / f"feats{suffix}.ark", out / f"feats{suffix}.scp", records(), config["compression"])
        write_table(out / f"utt2num_frames{suffix}", num_frames)
        write_rejected_rows(out / f"rejected{suffix}.tsv", waves.rejected)
        took = progress.close(f"({seconds:.0f} s of audio)")
        speed = f"{seconds / max(took, 1e-9):.0f} s of audio a second"
        say(f"{label}: {len(utts)} utt, {speed}, {len(waves.rejected)} rejected")


def batches(waves: Iterable[Wave], sample_rate: int, length: float) -> Iterator[list[Wave]]:
    """Yield the waves in batches of `length` seconds or just more; the last one may be shorter."""
    batch: list[Wave] = []
    seconds = 0.0
    for utt, wave in waves:
        batch.append((utt, wave))
        seconds += len(wave) / sample_rate
        if seconds >= length:
            yield batch
            batch, seconds = [], 0.0
    if batch:
        yield batch


def decoded_in_threads(opened: Callable[[], Waves], waves: Waves, utts: Sequence[str]) -> Iterator[Wave]:
    """Yield what `waves.read` does, with a recording decoded in each thread; at most two a thread lie ahead.

    opened : makes another `waves`; what it rejects is added to that of `waves`
    """

    def read(some: list[str]) -> tuple[list[Wave], Rejected]:
        mine = opened()
        return list(mine.read(some)), mine.rejected

    threads = available_cores()
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[tuple[list[Wave], Rejected]]] = deque()
        recordings = groupby(utts, lambda utt: waves.segments[utt][0] if waves.segments else utt)
        for recording in chain((list(some) for _, some in recordings), repeat(None, 2 * threads)):
            if recording:
                ahead.append(pool.submit(read, recording))
            if ahead and (not recording or len(ahead) > 2 * threads):
                done, rejected = ahead.popleft().result()
                waves.rejected += rejected
                yield from done


def import_features(data: DataDir, config: Mapping[str, Any], out: Path, max_rejected: float = 0.01) -> None:
    """Take over the feats.scp of a data dir without audio: resolved places, counted frames, checked dimension.

    config : of features, of which the part holds that says how they are read, and the seconds of its trim
    max_rejected : share of the utterances of which trim may leave too little
    """
    if not data.feats:
        raise SreError(
            f"{data.path}: no feats.scp; add it, or make features of its audio by python -m steps.make_features"
        )
    scp = data.path / "feats.scp"
    frames, dimension = _read_shapes(scp, data.feats)
    places, told = changed(data.feats, absolute), reading_of(config)
    rejected: Rejected = []
    if (trim := config.get("trim")) and trim["seconds"]:
        told["trim"] = {key: trim[key] for key in ("seconds", "least_s")}
        places, frames, rejected = _trimmed(places, frames, told["trim"])
    write_rejected(out / "rejected.tsv", rejected, len(data.feats), "utterances", max_rejected)
    write_table(out / "feats.scp", places)
    write_table(out / "utt2num_frames", frames)
    write_config(out / "config", {"type": FROM_ELSEWHERE, "dimension": dimension, **told})
    cut = f", without {told['trim']['seconds']:g} s of frames at both ends" if "trim" in told else ""
    cmn = config.get("cmn", "none")
    say(f"{data.path}: {len(frames)} utterances of {dimension} features are used as they are{cut}, with CMN ({cmn})")
    needs_audio = {"trim.level_db": trim and trim["level_db"] is not None, "vad": config.get("vad")}
    for key in (key for key, given in needs_audio.items() if given):
        warn(f"{data.path}: {key} of the config needs audio, and does nothing to features without it")
    if (data.path / "vad.scp").exists():
        warn(f"{data.path}/vad.scp is not used: all frames of features without audio are kept")


def _trimmed(
    places: Mapping[str, str], frames: Mapping[str, int], trim: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, int], Rejected]:
    """Return the places and numbers of frames of what trim leaves, as ranges of rows, and rows of the rejected."""
    kept, counts, rejected = dict[str, str](), dict[str, int](), Rejected()
    for utt, count in frames.items():
        try:
            first, counts[utt] = frames_left(trim, count)
            kept[utt] = rows_of(places[utt], first, counts[utt])
        except AudioError as error:
            rejected.append((utt, places[utt], str(error)))
    return kept, counts, rejected


def _read_shapes(scp: Path, places: Mapping[str, str]) -> tuple[dict[str, int], int]:
    """Return utterance -> frames, and the dimension of all.

    Raises one SreError with what cannot be used, and how much.
    """
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
