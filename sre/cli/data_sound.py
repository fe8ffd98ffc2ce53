"""`sre data speed` and `segments`: data directories of the sound of another one."""

import argparse
from pathlib import Path
from typing import Any

from sre import SreError
from sre.cli.arguments import input_folder, number, output_folder, processes, share
from sre.cli.configs import audio_rules, config_argument, vad_config
from sre.cli.data import Action
from sre.machine.log import say


def add_actions(action: Action) -> None:
    speed = action("speed", copy_at_speeds, "write copies at other speeds, as files of other speakers: sp0.9-ID")
    add_sound_options(speed)
    speed.add_argument("source", type=input_folder, help="data directory with wav.scp and utt2spk")
    speed.add_argument("out", type=output_folder, help="data directory to write")
    speed.add_argument("factors", type=number(0.25, 4), nargs="+", metavar="FACTOR", help="as 0.9 1.1: 1.1 is faster")
    segments = action(
        "segments", find_segments, "write a data directory of the stretches of speech; no sound is copied"
    )
    add_segment_options(segments)


def add_sound_options(parser: argparse.ArgumentParser) -> None:
    """Add what all have that read recordings."""
    sound = "sample_rate (Hz), resample, channel, allow_pipes: a YAML, as a recipe's config.yaml, or JSON text"
    parser.add_argument("--audio", type=config_argument, metavar="CONFIG", help=sound)
    parser.add_argument("--num-workers", "--nj", type=processes, default=1, metavar="N", help="processes (default: 1)")
    bad = "of the utterances that may be rejected; one may always be, none at 0 (default: 0.01)"
    parser.add_argument("--max-rejected", type=share, default=0.01, metavar="SHARE", help=bad)


def add_segment_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `find_segments`."""
    parser.add_argument("source", type=input_folder, help="data directory; needs only wav.scp")
    parser.add_argument(
        "out", type=output_folder, help="data directory to write; an id is that of the utterance, with times"
    )
    taken = "a YAML of VAD options, JSON text, or the config of features with a VAD (default: energy)"
    parser.add_argument("--vad", "--config", type=config_argument, metavar="CONFIG", help=taken)
    seconds = number(0, 3600)
    least = "speech that is not longer is none (default: the VAD's, 0.25)"
    parser.add_argument("--min-speech", type=seconds, metavar="SECONDS", dest="min_speech_s", help=least)
    pause = "a shorter pause does not end speech (default: the VAD's, 0.1)"
    parser.add_argument("--min-silence", type=seconds, metavar="SECONDS", dest="min_silence_s", help=pause)
    pad = "what is added on both sides (default: the VAD's, 0.03)"
    parser.add_argument("--pad", type=seconds, metavar="SECONDS", dest="pad_s", help=pad)
    add_sound_options(parser)


def copy_at_speeds(
    source: Path, out: Path, factors: list[float], audio: Any, num_workers: int, max_rejected: float
) -> None:
    from sre.augment.speed_copies import SpeedCopies, copy_speeds
    from sre.datadir.datadir import read_data_dir

    if 1.0 in factors or len(set(factors)) < len(factors):
        raise SreError("each speed is given once, and none is 1; join the copies and the source with sre data combine")
    job = SpeedCopies(read_data_dir(source, every_table=True), out, tuple(factors), audio_rules(audio))
    copy_speeds(job, num_workers, max_rejected)
    say(f"{out}: with the source as one: sre data combine {source} {out} OUT")


def find_segments(
    source: Path, out: Path, vad: Any, audio: Any, num_workers: int, max_rejected: float, **lengths: float | None
) -> None:
    from sre.datadir.datadir import read_data_dir
    from sre.features.segmentation import segment_speech

    given = {key: value for key, value in lengths.items() if value is not None}
    data = read_data_dir(source, need_speakers=False, every_table=True)
    segment_speech(data, out, vad_config(vad), audio_rules(audio), given, num_workers, max_rejected)
