"""`sre data info`, `validate` and `fix`: what is in a data directory, what is wrong with it, and its mending."""

from pathlib import Path

from sre import SreError
from sre.cli.arguments import input_folder
from sre.cli.data import Action
from sre.datadir import fix as datadir_fix
from sre.datadir.audio_check import check_ends
from sre.datadir.datadir import read_data_dir
from sre.datadir.info import describe
from sre.datadir.layout import fix_command
from sre.datadir.validate import examine
from sre.machine.log import say


def add_actions(action: Action) -> None:
    info = action("info", tell_data, "print speakers, utterances, hours, and how they are spread")
    info.add_argument("--audio", action="store_true", help="open all recordings, for their rates and channels")
    info.add_argument("directory", type=input_folder, help="data directory")
    validate = action("validate", validate_data, "print every problem of a data directory, and its remedy")
    validate.add_argument("directory", type=input_folder, help="data directory")
    fix = action("fix", fix_data, "sort, drop what does not agree, make spk2utt; in place, the old in .backup")
    fix.add_argument("directory", type=input_folder, help="data directory")


def tell_data(directory: Path, audio: bool) -> None:
    data = read_data_dir(directory, need_speakers=False, every_table=True)
    for what, told in describe(data, audio):
        print(f"{what}: {told}")


def validate_data(directory: Path) -> None:
    problems, untidy, utterances = examine(directory)
    problems = problems or check_ends(directory)
    for problem in problems:
        print(problem)
    if untidy:
        print(f"untidy, which nothing here minds and `{fix_command(directory)}` mends: {'; '.join(untidy)}")
    if problems:
        plural = "s" if len(problems) > 1 else ""
        raise SreError(f"{directory}: {len(problems)} problem{plural} found; each line says what to do")
    say(f"{directory}: no problems, {utterances} utterances")


def fix_data(directory: Path) -> None:
    done = datadir_fix.fix(directory)
    for sentence in done:
        print(sentence)
    say(f"{directory}: {len(done)} things mended" if done else f"{directory}: nothing to mend")
