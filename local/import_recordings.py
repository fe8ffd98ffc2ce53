"""Any recordings, as recipe custom takes them: a folder of audio files, a list, a manifest, a Kaldi data directory.

    python -m local.import_recordings /data/mine data/mine_all --resample

`sre data import` is the same for people, with more options. Here recordings that the recipe's `audio` section refuses
are rejected.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local import prepare_custom
from local.preparing import add_audio_options, take_audio_rules
from sre import SreError
from sre.cli.arguments import Parser, output_folder
from sre.cli.data_import import add_columns, add_layout, existing
from sre.datadir.importers.recognise import FEATURES, FORMS, recognise
from sre.datadir.importers.row import Asked
from sre.datadir.layout import MAIN
from sre.machine.log import run


def check_alone(config: Mapping[str, Any]) -> None:
    """Raise SreError where a recipe's `recordings` come with what they are in place of."""
    if both := next((key for key in ("train_data", "eval_data", "trials", "enroll") if config[key]), None):
        raise SreError(
            f"recordings is in place of {both}, and both are given; take one out. For trials of your own, import the"
            " recordings by sre data import, and give train_data, eval_data and trials"
        )


def is_data_dir(source: Path) -> bool:
    """Whether a source is a Kaldi data directory."""
    return any((source / name).is_file() for name in MAIN)


def media_of(source: str, form: str | None, columns: Mapping[str, str], made: str) -> str:
    """Return the table of what is imported, wav.scp or feats.scp, as it stands in `made`, or by the source's form."""
    for folder in (Path(made), Path(source)):
        if is_data_dir(folder):
            return "wav.scp" if (folder / "wav.scp").is_file() else "feats.scp"
    return "feats.scp" if (form or recognise(Path(source), columns)) in FEATURES else "wav.scp"


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("source", type=existing, help="folder of recordings, a file that names them, a data directory")
    parser.add_argument("out", type=output_folder, metavar="OUT_DIR", help="data directory to write")
    parser.add_argument("--format", dest="form", choices=list(FORMS), help="of the source (default: looked for)")
    add_layout(parser)
    add_columns(parser)
    add_audio_options(parser)
    args = vars(parser.parse_args(argv))
    rules, max_rejected = take_audio_rules(args), args.pop("max_rejected")
    source, out, form = (args.pop(name) for name in ("source", "out", "form"))
    if is_data_dir(source):
        return prepare_custom.prepare(source, out, rules, max_rejected)
    from sre.datadir.importers.job import import_recordings

    import_recordings(source, out, Asked(**args), form=form, rules=rules, max_rejected=max_rejected)


if __name__ == "__main__":
    run(main)
