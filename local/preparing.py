"""The part that all preparers share: options, checking the recordings they found, writing the data directory."""

import argparse
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from sre.cli.arguments import channel, share, whole
from sre.datadir.audio_check import check_audio
from sre.datadir.datadir import movable, write_data_dir
from sre.datadir.layout import Segment
from sre.datadir.rejected import write_rejected
from sre.io.audio import AudioRules
from sre.machine.log import say


def add_audio_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `take_audio_rules` reads."""
    rate = "of the features; files of another rate are rejected (default: 16000)"
    parser.add_argument("--sample-rate", type=whole(1000, 10**6), default=16000, metavar="HZ", help=rate)
    parser.add_argument("--resample", action="store_true", help="accept other rates, to be converted when read")
    parser.add_argument("--channel", type=channel, metavar="N|mix", help="of several: one, from 0 on, or their mean")
    bad = "of the recordings that may be rejected; a few may always be, none at 0 (default: 0.01)"
    parser.add_argument("--max-rejected", type=share, default=0.01, metavar="SHARE", help=bad)


def take_audio_rules(args: dict[str, Any]) -> AudioRules:
    """Return the rules that `add_audio_options` asked for, and take them out; max_rejected stays in `args`."""
    return AudioRules(**{name: args.pop(name) for name in ("sample_rate", "resample", "channel")})


def good_audio(
    out: Path, wav: Mapping[str, str], audio_rules: AudioRules, max_rejected: float, needed: Collection[str] = ()
) -> tuple[dict[str, str], dict[str, float]]:
    """Return the usable recordings and their durations (s); the rest goes to `out`/rejected.tsv.

    needed : utterances of the trials. Raises SreError where more than max_rejected are rejected, or a needed one.
    """
    durations, rejected = check_audio(wav, audio_rules)
    write_rejected(out / "rejected.tsv", rejected, len(wav), "recordings", max_rejected, needed)
    bad = {key for key, _, _ in rejected}
    return {key: location for key, location in wav.items() if key not in bad}, durations


def write_corpus(
    out: Path,
    wav: Mapping[str, str],
    utt2spk: Mapping[str, str],
    durations: Mapping[str, float],
    maps: Mapping[str, Mapping[str, str]],
    segments: Mapping[str, Segment] | None = None,
) -> None:
    """Write the data directory and say its size. `durations` is by utterance, and may lack some.

    `maps` is file name -> table: utt2… are cut down to the utterances, spk2… to the speakers; empty ones are
    left out.
    """
    speakers = set(utt2spk.values())
    extra: dict[str, Mapping[str, object]] = {"utt2dur": {utt: f"{s:.3f}" for utt, s in durations.items()}}
    for name, table in maps.items():
        keys = speakers if name.startswith("spk2") else utt2spk
        extra[name] = {key: value for key, value in table.items() if key in keys}
    extra = {name: table for name, table in extra.items() if table}
    write_data_dir(out, wav=movable(wav, out), segments=segments, utt2spk=utt2spk, extra=extra)
    hours = f"{sum(durations.values()) / 3600:.2f} hours"
    if len(durations) < len(utt2spk):
        hours += f" in {len(durations)} of them (the others tell their length only when decoded)"
    say(f"{out}: {len(speakers)} speakers, {len(utt2spk)} utterances, {hours}")


if __name__ == "__main__":
    raise SystemExit(
        "local.preparing is no command but what local.prepare_* share;"
        " run one of them, e.g. python -m local.prepare_librispeech --help"
    )
