"""`sre voices`: what is in a file of enrolled voices, and what is taken out of it.

sre voices voices.db list
sre voices voices.db show "Ann Lee"              # her utterances: where from, seconds of speech, SNR
sre voices voices.db rename "Ann Lee" "Ann Park"
sre voices voices.db remove "Ann Park"           # so that her vectors are nowhere in the file
sre voices voices.db check                       # every page and every vector

`sre enroll` makes the file. --json prints a list or a voice for programs.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from sre.cli.arguments import input_file


def add(commands: argparse._SubParsersAction, text: str) -> None:
    """Add the verb to the command line."""
    parser = commands.add_parser("voices", help=text, description=__doc__)
    parser.add_argument("database", metavar="DB", type=input_file, help="a file that `sre enroll` made")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
    actions = parser.add_subparsers(dest="_action", metavar="ACTION", required=True)

    def action(name: str, do: Any, told: str, *names: str) -> None:
        one = actions.add_parser(name, help=told, description=told)
        for word, of in zip(names, ("the name of a voice", "its new name"), strict=False):
            one.add_argument(word, metavar=word.upper(), help=of)
        one.add_argument("--json", action="store_true", dest="as_json", default=argparse.SUPPRESS, help="print JSON")
        one.set_defaults(do=do)

    action("list", print_voices, "print each voice: utterances, seconds of speech, when it was enrolled")
    action("show", print_utterances, "print the utterances of a voice", "name")
    action("rename", rename, "give a voice another name", "name", "to")
    action("remove", remove, "remove a voice, so that nothing of it is left in the file", "name")
    action("check", check, "look at every page and every vector of the file")


def print_voices(database: Path, as_json: bool) -> None:
    """Print all voices. Raises SreError, as all here, for a file that is none of enrolled voices."""
    from dataclasses import asdict

    from sre.machine.log import aligned
    from sre.voices.database import Database

    file = Database(database)
    voices, origin = file.voices(), file.origin()
    if as_json:
        print(json.dumps({"model": asdict(origin), "voices": [asdict(voice) for voice in voices]}, indent=1))
        return
    rows = [(v.name, str(v.utterances), _number(v.speech_s), v.enrolled) for v in voices]
    print(aligned([("voice", "utterances", "speech_s", "enrolled"), *rows]), end="")
    print(f"{len(voices)} voice{'s' * (len(voices) != 1)} of the model {origin.name} ({origin.sha256[:12]})")


def print_utterances(database: Path, name: str, as_json: bool) -> None:
    """Print the utterances of a voice."""
    from sre.machine.log import aligned
    from sre.voices.database import Database

    found = Database(database).show(name)
    if as_json:
        print(json.dumps({"voice": name, "utterances": found}, indent=1))
        return
    rows = [(str(u["source"]), _number(u["speech_s"]), _number(u["snr_db"]), str(u["enrolled"])) for u in found]
    print(aligned([("from", "speech_s", "snr_db", "enrolled"), *rows]), end="")


def rename(database: Path, name: str, to: str, as_json: bool) -> None:
    """Give a voice another name."""
    from sre.voices.database import Database

    Database(database).rename(name, to)
    _told({"renamed": name, "to": to}, f"{database}: '{name}' is '{to}' now", as_json)


def remove(database: Path, name: str, as_json: bool) -> None:
    """Remove a voice."""
    from sre.voices.database import Database

    count = Database(database).remove(name)
    told = f"{database}: '{name}' is removed, and the file holds nothing of its {count} utterance{'s' * (count != 1)}"
    _told({"removed": name, "utterances": count}, told, as_json)


def check(database: Path, as_json: bool) -> None:
    """Look at all of the file."""
    from sre.voices.database import Database

    count = Database(database).check()
    _told({"ok": True, "utterances": count}, f"{database}: whole, {count} utterance{'s' * (count != 1)}", as_json)


def _told(content: dict[str, object], sentence: str, as_json: bool) -> None:
    print(json.dumps(content) if as_json else sentence)


def _number(value: object) -> str:
    return "-" if value is None else f"{value:.1f}"
