"""MUSAN (https://www.openslr.org/17), or a corpus in its layout, to a data directory of noises by category.

    python -m local.prepare_musan /data/musan data/musan
    python -m local.prepare_musan /data/musan data/musan --rirs /data/RIRS_NOISES

The categories are the folders noise, music and speech; any of them may be missing. With --rirs, the point source noises
and the isotropic noises of RIRS_NOISES are two more. A data directory with wav.scp and utt2category is taken as it is.
"""

from pathlib import Path

from local.preparing_noises import (
    add_held_out,
    by_stem,
    from_data_dir,
    has_sound,
    part_of,
    sound_files,
    warn_of_others,
    write_manifest,
)
from sre import SreError
from sre.cli.arguments import Parser, input_folder, output_folder, share
from sre.io.text import fields, lines_of, read_text
from sre.machine.log import run, say

CATEGORIES = ("noise", "music", "speech")
POINT, ISOTROPIC = "pointsource", "isotropic"
REAL = "real_rirs_isotropic_noises"


def find_noises(corpus: Path) -> dict[str, list[Path]]:
    """Return category -> files of a folder in MUSAN's layout. Raises SreError where it has none of its categories."""
    found = {name: sound_files(corpus / name) for name in CATEGORIES if (corpus / name).is_dir()}
    found = {name: files for name, files in found.items() if files}
    if not found:
        inside = "; give the musan folder in it" if (corpus / "musan").is_dir() else ""
        raise SreError(
            f"{corpus}: none of the folders {', '.join(CATEGORIES)} with .wav or .flac in it{inside or '; extract it'}"
        )
    for name in CATEGORIES:
        if name not in found:
            say(f"{corpus}: no {name} in it, so that category is not there")
    return found


def find_noises_of_rirs(corpus: Path) -> dict[str, list[Path]]:
    """Return category -> files of the noises in a folder in the layout of RIRS_NOISES; those that are there."""
    found = {POINT: sound_files(corpus / "pointsource_noises"), ISOTROPIC: listed(corpus / REAL, "noise_list")}
    return {name: files for name, files in found.items() if files}


def listed(folder: Path, name: str) -> list[Path]:
    """Return the files that a list of RIRS_NOISES names, the last field of each line, in its own folder.

    Without that list there are none. Raises SreError where a file that it names is not there.
    """
    if not (folder / name).is_file():
        return []
    files = sorted(
        {folder / Path(fields(line)[-1]).name for line in lines_of(read_text(folder / name)) if line.strip()}
    )
    if missing := [path for path in files if not path.is_file()]:
        raise SreError(f"{missing[0]}: no such file, and {folder / name} names it; extract the corpus again")
    return files


def categories_of(corpus: Path, rirs: Path | None = None) -> list[str]:
    """Return the categories that the data directory of a corpus will have, sorted; no sound is read.

    rirs : RIRS_NOISES, for the noises in it. Raises SreError as `find_noises`.
    """
    if (corpus / "wav.scp").is_file():
        return sorted(set(from_data_dir(corpus)[1].values()))
    found = [name for name in CATEGORIES if has_sound(corpus / name)] or list(find_noises(corpus))
    if rirs:
        found += [POINT] * has_sound(rirs / "pointsource_noises")
        found += [ISOTROPIC] * bool(listed(rirs / REAL, "noise_list"))
    return sorted(found)


def prepare(
    corpus: Path,
    out: Path,
    rirs: Path | None = None,
    max_rejected: float = 0.01,
    held_out: float = 0.0,
    only_held_out: bool = False,
) -> None:
    """Write the data directory, of all files or of a part as `part_of` has it.

    Raises SreError as the functions above, or where too many files are rejected.
    """
    if (corpus / "wav.scp").is_file():
        wav, categories = from_data_dir(corpus)
    else:
        warn_of_others(corpus)
        more = find_noises_of_rirs(rirs) if rirs else {}
        wav, categories = by_stem({**find_noises(corpus), **more})
    write_manifest(out, part_of(wav, categories, held_out, only_held_out), categories, max_rejected)


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("corpus", type=input_folder, help="the folder that holds noise, music and speech")
    parser.add_argument("out", type=output_folder, metavar="OUT_DIR", help="data directory to write")
    parser.add_argument("--rirs", type=input_folder, metavar="DIR", help="RIRS_NOISES, for the noises in it")
    bad = "of the files that may be rejected; a few may always be, none at 0 (default: 0.01)"
    parser.add_argument("--max-rejected", type=share, default=0.01, metavar="SHARE", help=bad)
    add_held_out(parser)
    prepare(**vars(parser.parse_args(argv)))


if __name__ == "__main__":
    run(main)
