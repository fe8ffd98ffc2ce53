"""`sre enroll`: add utterances of somebody to a file of voices, which is made with the first.

sre enroll model.sre voices.db "Ann Lee" ann1.wav ann2.wav
sre enroll model.sre voices.db Bob bob.flac --new          # an error if Bob is enrolled already

If a file cannot be used, nothing is enrolled. Audio that the voice has already is not added again. More is in
docs/voices.md.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from sre import SreError
from sre.cli.arguments import input_file, output_file
from sre.cli.embed import add_listening_options


def add(commands: argparse._SubParsersAction, text: str) -> None:
    """Add the verb to the command line."""
    parser = commands.add_parser("enroll", help=text, description=__doc__)
    parser.add_argument("model", metavar="MODEL", type=input_file, help="model.sre, or a training's final.pt")
    parser.add_argument("database", metavar="DB", type=output_file, help="the file of voices")
    parser.add_argument("name", metavar="NAME", help="whose voice it is: any text of one line")
    kinds = "audio files, folders of them, or lists of them, of that voice alone"
    parser.add_argument("recordings", metavar="RECORDINGS", nargs="+", help=kinds)
    parser.add_argument("--new", action="store_true", help="it is an error if the name is enrolled already")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
    add_listening_options(parser)
    parser.set_defaults(do=enroll)


def enroll(
    model: Path,
    database: Path,
    name: str,
    recordings: list[str],
    new: bool,
    as_json: bool,
    channel: str | None,
    device: str,
    threads: int,
) -> None:
    """Enrol, and print what was done. Raises SreError where a recording cannot be used; then nothing is enrolled."""
    from sre.machine.device import choose_device, prepare
    from sre.machine.log import warn
    from sre.voices.identify import Voices
    from sre.voices.model import load
    from sre.voices.sources import named_recordings

    on = choose_device(device)
    prepare(on, threads)
    loaded = load(model, on)
    named = named_recordings(recordings, loaded)
    if named.folders:
        raise SreError(f"{named.folders[0]}: a data directory has several speakers; give the recordings of one")
    if len(speakers := sorted({*named.speakers.values()})) > 1:
        raise SreError(f"{recordings[0]}: its lines are of {speakers[0]} and {speakers[1]}; give the recordings of one")
    done = Voices(loaded, database).enrol_files(name, [*named.files.values()], new, channel)
    if as_json:
        print(json.dumps({"voice": name} | asdict(done)))
        return
    for source in done.known:
        warn(f"{source}: '{name}' has this audio already, so it was not added again")
    for source, other in done.elsewhere:
        warn(f"{source}: '{other}' has this audio too; if that is a mistake, remove one of the two")
    what = "a new voice" if done.is_new else "a voice that was there"
    print(f"{name}: {what}, {done.added} recording{'s' * (done.added != 1)} added, {done.utterances} in all")
