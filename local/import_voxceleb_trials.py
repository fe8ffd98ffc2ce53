"""VoxCeleb's trial lists (`1 id10011/VIDEO/00002.wav id…`) as `enrol test target|nontarget` of our ids.

    python -m local.import_voxceleb_trials /data/VoxCeleb1 veri_test2.txt data/trials/vox1_o_clean

A list is called by an official name only when it has the official number of trials.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from local.import_trials import tell_list
from sre import SreError
from sre.cli.arguments import Parser, input_folder, output_file
from sre.io.atomic import sha256_file
from sre.io.ids import check_ids, shown
from sre.io.tables import remark_cut
from sre.io.text import fields, lines_of, read_text
from sre.machine.log import run, say

# official name -> (number of trials, file names in use, the official one first)
OFFICIAL = {
    "vox1_o": (37720, ("veri_test.txt", "vox1_O.txt")),
    "vox1_o_clean": (37611, ("veri_test2.txt", "vox1_O_cleaned.txt")),
    "vox1_e": (581480, ("list_test_all.txt", "vox1_E.txt")),
    "vox1_e_clean": (579818, ("list_test_all2.txt", "vox1_E_cleaned.txt")),
    "vox1_h": (552536, ("list_test_hard.txt", "vox1_H.txt")),
    "vox1_h_clean": (550894, ("list_test_hard2.txt", "vox1_H_cleaned.txt")),
}

# MD5 of the files of VoxCeleb's site, by which PaddleSpeech (dataset/voxceleb/voxceleb1.py) checks its downloads
MD5 = {
    "vox1_o": "29fc7cc1c5d59f0816dc15d6e8be60f7",
    "vox1_o_clean": "b73110731c9223c1461fe49cb48dddfc",
    "vox1_e": "b9ecf7aa49d4b656aa927a8092844e4a",
    "vox1_e_clean": "a53e059deb562ffcfc092bf5d90d9f3a",
    "vox1_h": "21c341b6b2168eea2634df0fb4b8fff1",
    "vox1_h_clean": "857790e09d579a68eb2e339a090343c8",
}


def list_name(path: str | Path) -> str:
    """The official name where the file is called so and has that many trials, else its stem in [a-z0-9_].

    A list of another length never gets a name that begins with vox: `unofficial_` stands before it.
    """
    path = Path(path)
    trials = sum(1 for line in lines_of(read_text(path)) if line.strip())
    for name, (count, files) in OFFICIAL.items():
        if path.name in files and trials == count:
            return name
    stem = re.sub(r"[^a-z0-9_]", "_", path.stem.lower())
    return f"unofficial_{stem}" if stem.startswith("vox") else stem


def find_trial_lists(root: str | Path) -> dict[str, Path]:
    """Name -> file of the trial lists under the root, its meta/ and its trials/; in the order O, E, H.

    Raises SreError where two different files would have one name.
    """
    root = Path(root)
    found: dict[str, Path] = {}
    for _, files in OFFICIAL.values():
        for path in [folder / file for file in files for folder in (root, root / "meta", root / "trials")]:
            if not path.is_file():
                continue
            name = list_name(path)
            if name in found and sha256_file(path) != sha256_file(found[name]):
                raise SreError(f"{path}: it differs from {found[name]}, and both would be {name}; keep one")
            found.setdefault(name, path)
    return found


def utterance_id(location: str) -> str:
    """Return our id of a path: `[…/]id10011/VIDEO/00002.wav` -> `id10011-VIDEO-00002`; our ids stay as they are."""
    parts = location.rsplit("/", 3)[-3:]
    parts[-1] = re.sub(r"\.(wav|flac|m4a|aac)$", "", parts[-1])
    return "-".join(parts)


def read_list(path: str | Path) -> Iterator[tuple[str, str, bool]]:
    """Yield (enrol, test, is target) of each line, `1 a b` or `a b target`. Raises SreError for another line."""
    label = {"1": True, "0": False, "target": True, "nontarget": False}
    text = read_text(path, "no such trial list; check the path")
    for number, line in enumerate(lines_of(text), 1):
        found = fields(line)
        match found:
            case ["0" | "1" as mark, enrol, test] | [enrol, test, "target" | "nontarget" as mark]:
                check_ids(f"{path}:{number}", (enrol, test), "name")
                yield utterance_id(enrol), utterance_id(test), label[mark]
            case []:
                continue
            case _:
                raise SreError(f"{path}:{number}: '{shown(line.strip())}' is no trial; a line needs `1|0 enrol test`")
    remark_cut(path, text.endswith("\n") or not text, line if text else "")


def trial_utterances(path: str | Path) -> set[str]:
    """Return the utterances of a list."""
    return {utt for enrol, test, _ in read_list(path) for utt in (enrol, test)}


def import_trials(source: Path, out: Path) -> None:
    """Convert one list, drop lines that stand twice, and say counts and checksums.

    Raises SreError where one pair has both labels.
    """
    from sre.io.trials import write_trials

    label: dict[tuple[str, str], bool] = {}
    lines = 0
    for enrol, test, target in read_list(source):
        lines += 1
        if label.setdefault((enrol, test), target) != target or label.get((test, enrol), target) != target:
            raise SreError(f"{source}: the pair {enrol} {test} is both target and nontarget; get the list again")
    if not label:
        raise SreError(f"{source}: no trials in it; get the list again")
    write_trials(out, ((enrol, test, target) for (enrol, test), target in label.items()))
    name = list_name(source)
    if name in OFFICIAL:
        say(f"{source}: {name}, {lines} trials as in the official list")
    else:
        say(f"{source}: {lines} trials are no official VoxCeleb list's number: it is called {name}")
    if len(label) < lines:
        say(f"{source}: {lines - len(label)} lines stand twice; one of each is kept")
    tell_list(source, out, sum(label.values()), len(label))


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "root", type=input_folder, help="where LIST_FILE is also looked for, and in its meta/ and trials/"
    )
    parser.add_argument("list_file", type=Path, metavar="LIST_FILE", help="lines `1|0 enrol test`")
    parser.add_argument("out", type=output_file, metavar="OUT", help="the list to write")
    args = parser.parse_args(argv)
    places = [folder / args.list_file for folder in (Path(), args.root, args.root / "meta", args.root / "trials")]
    source = next((place for place in places if place.is_file()), None)
    if source is None:
        raise SreError(f"{args.list_file}: no such trial list, also not under {args.root}; check the path")
    import_trials(source, args.out)


if __name__ == "__main__":
    run(main)
