"""RIRS_NOISES (https://www.openslr.org/28), or a corpus in its layout, to a data directory of room impulse responses.

    python -m local.prepare_rirs /data/RIRS_NOISES data/rirs

The categories are small, medium and large (simulated_rirs/smallroom/Room001/*.wav …), and real
(real_rirs_isotropic_noises, by its rir_list); any of them may be missing. The noises of that corpus go with MUSAN's:
local.prepare_musan --rirs. A data directory with wav.scp and utt2category is taken as it is.
"""

from pathlib import Path

from local.prepare_musan import REAL, listed
from local.preparing_noises import (
    add_held_out,
    from_data_dir,
    has_sound,
    part_of,
    sound_files,
    warn_of_others,
    write_manifest,
)
from sre import SreError
from sre.cli.arguments import Parser, input_folder, output_folder, share
from sre.machine.log import run, say

SIZES = ("small", "medium", "large")
SIMULATED = "simulated_rirs"


def find_rooms(corpus: Path) -> dict[str, list[tuple[str, Path]]]:
    """Return category -> (id, file) of a folder in the layout of RIRS_NOISES.

    Raises SreError where it has neither simulated nor real rooms.
    """
    found: dict[str, list[tuple[str, Path]]] = {}
    for size in SIZES:
        # Room001-00001.wav is there in each of the three
        files = sound_files(corpus / SIMULATED / f"{size}room")
        found[size] = [(f"{size}-{path.stem}", path) for path in files]
    found["real"] = [(f"real-{path.stem}", path) for path in listed(corpus / REAL, "rir_list")]
    if not any(found.values()):
        inside = "; give the RIRS_NOISES folder in it" if (corpus / "RIRS_NOISES").is_dir() else "; extract it"
        raise SreError(f"{corpus}: neither {SIMULATED}/smallroom … with .wav nor {REAL}/rir_list in it{inside}")
    for name, some in found.items():
        if not some:
            say(f"{corpus}: no {name} rooms in it, so that category is not there")
    return {name: some for name, some in found.items() if some}


def categories_of(corpus: Path) -> list[str]:
    """Return the categories that the data directory of a corpus will have, sorted; no sound is read.

    Raises SreError as `find_rooms`.
    """
    if (corpus / "wav.scp").is_file():
        return sorted(set(from_data_dir(corpus)[1].values()))
    found = [size for size in SIZES if has_sound(corpus / SIMULATED / f"{size}room")]
    return sorted(found + ["real"] * bool(listed(corpus / REAL, "rir_list")) or find_rooms(corpus))


def room_of(key: str) -> str:
    """Return the room of a response: small-Room001 of small-Room001-00001, and a real one by itself."""
    return key if key.startswith("real-") else key.rpartition("-")[0] or key


def prepare(
    corpus: Path, out: Path, max_rejected: float = 0.01, held_out: float = 0.0, only_held_out: bool = False
) -> None:
    """Write the data directory, of all rooms or of a part as `part_of` has it: a room is in one of them.

    Raises SreError as `find_rooms`, or where too many files are rejected.
    """
    if (corpus / "wav.scp").is_file():
        wav, categories = from_data_dir(corpus)
    else:
        warn_of_others(corpus / SIMULATED)
        found = [(name, key, path) for name, files in find_rooms(corpus).items() for key, path in files]
        wav, categories = {key: str(path) for _, key, path in found}, {key: name for name, key, _ in found}
    write_manifest(out, part_of(wav, categories, held_out, only_held_out, room_of), categories, max_rejected)


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("corpus", type=input_folder, help="the folder that holds simulated_rirs and the others")
    parser.add_argument("out", type=output_folder, metavar="OUT_DIR", help="data directory to write")
    bad = "of the files that may be rejected; a few may always be, none at 0 (default: 0.01)"
    parser.add_argument("--max-rejected", type=share, default=0.01, metavar="SHARE", help=bad)
    add_held_out(parser)
    prepare(**vars(parser.parse_args(argv)))


if __name__ == "__main__":
    run(main)
