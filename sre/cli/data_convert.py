"""`sre data convert`: the recordings of a data directory, of whatever format, as files of one."""

from collections.abc import Callable
from pathlib import Path

from sre.cli.arguments import channel, input_folder, output_folder, processes, share, whole
from sre.io.audio import AudioRules
from sre.io.audio_file import FORMS
from sre.machine.cores import available_cores
from sre.machine.log import say


def add_actions(action: Callable) -> None:
    convert = action("convert", convert_data, "write all recordings as files of one format, rate and channel")
    rate = "of the files (default: 16000)"
    convert.add_argument("--sample-rate", type=whole(1000, 10**6), default=16000, metavar="HZ", help=rate)
    of_several = "of recordings with several channels: one, from 0 on, or their mean; without it they are rejected"
    convert.add_argument("--channel", type=channel, metavar="N|mix", help=of_several)
    convert.add_argument("--format", choices=FORMS, default="flac", dest="form", help="(default: flac), of 16 bits")
    convert.add_argument("--allow-pipes", action="store_true", help="run the commands in wav.scp")
    workers = "processes; the files do not depend on it (default: one for each core)"
    convert.add_argument("--num-workers", "--nj", type=processes, metavar="N", help=workers)
    bad = "of the recordings that may be rejected; a few may always be, none at 0 (default: 0.01)"
    convert.add_argument("--max-rejected", type=share, default=0.01, metavar="SHARE", help=bad)
    convert.add_argument("source", type=input_folder, help="data directory with wav.scp")
    convert.add_argument("out", type=output_folder, help="data directory to write, with the files in it")


def convert_data(
    source: Path,
    out: Path,
    sample_rate: int,
    channel: str | None,
    form: str,
    allow_pipes: bool,
    num_workers: int | None,
    max_rejected: float,
) -> None:
    from sre.features.convert import convert_data

    rules = AudioRules(sample_rate, resample=True, allow_pipes=allow_pipes, channel=channel)
    count = convert_data(source, out, rules, form, num_workers or available_cores(), max_rejected)
    say(f"{out}: {count} utterances, as {form} of {sample_rate} Hz")
