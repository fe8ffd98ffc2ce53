"""Settings of a model beside each other, each trained for as many seconds, and judged on training speakers held out.

python -m benchmarks.settings blstm --work /tmp/settings --seconds 240 --out benchmarks/settings.md \\
    --try '{}' '{training: {lr: 3e-3}}' '{training: {lr: 3e-3, batch_size: 256}}'

A setting is what differs from the YAML of SYSTEMS in benchmarks/originals.py: {} is the YAML as it is, and the word
plain the original's loop. Held out are 20 of the 100 training speakers of ko-fbank40, drawn with a fixed seed. They are
judged by plain cosine: EER of all pairs of their utterances, and of models of their first five against all others.
Each setting leaves a JSON in --work, and is not done again. The page has all that are there, with those of before.
"""

import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.originals import CORPUS, ROOT, SYSTEMS, our_embeddings, their_embeddings, train_ours, train_theirs
from benchmarks.scoring import machine, show_page
from sre.backends import Cosine
from sre.cli.arguments import Parser, input_folder, output_file, output_folder
from sre.cli.arguments import number as bounded
from sre.cli.arguments import seed as whole_seed
from sre.datadir.datadir import write_data_dir
from sre.io.atomic import sha256_text, write_json
from sre.io.embeddings import Embeddings
from sre.io.scp import read_scp
from sre.io.tables import invert, read_utt2spk
from sre.io.text import canonical, read_json
from sre.io.yaml_text import merged, parse_yaml, read_yaml
from sre.machine.log import run, say
from sre.metrics.rates import eer
from sre.training.held_out import held_out_speakers

SPEAKERS, ENROLLED = 20, 5  # held out; utterances of a model
PLAIN = "plain"


def split_data(data: Path, out: Path) -> None:
    """Write the data directories OUT/train and OUT/eval of features, of other speakers."""
    utt2spk, feats = read_utt2spk(data / "utt2spk"), read_scp(data / "feats.scp")
    held = held_out_speakers(utt2spk, SPEAKERS)
    for name, inside in (("train", False), ("eval", True)):
        some = {utt: speaker for utt, speaker in utt2spk.items() if (speaker in held) == inside}
        write_data_dir(out / name, feats={utt: feats[utt] for utt in some}, utt2spk=some)


def judged(known: Embeddings, utt2spk: Mapping[str, str]) -> dict[str, float]:
    """Return the EERs in per cent of (N, D) embeddings: of all pairs, and of models of several utterances."""
    speakers, owned = np.array([utt2spk[utt] for utt in known.ids]), invert(utt2spk)
    first, second = np.triu_indices(len(known), 1)
    scores = Cosine().score(known.vectors, known.vectors)[first, second]
    groups = [known.rows(np.array(sorted(utts)[:ENROLLED], dtype=object), "enrolment") for utts in owned.values()]
    tests = np.setdiff1d(np.arange(len(known)), np.concatenate(groups))
    models = Cosine().enrol(known.vectors, groups).vectors @ Cosine().test(known.vectors[tests]).vectors.T
    same = np.array([*owned])[:, None] == speakers[tests]
    return {
        "pairs": 100 * eer(scores, speakers[first] == speakers[second])[0],
        "models": 100 * eer(models.ravel(), same.ravel())[0],
    }


def tried(system: str, setting: str, data: Path, args: Any) -> None:
    """Train a setting and judge it, unless its JSON is there."""
    change = None if setting == PLAIN else parse_yaml(setting, "--try")
    key = {"system": system, "setting": setting if change is None else canonical(change), "seed": args.seed}
    key["seconds"] = args.seconds
    name = f"{system}_{sha256_text(canonical(key))[:12]}"
    told, folder = args.work / f"{name}.json", args.work / name
    if told.is_file():
        return
    say(canonical(key))
    shutil.rmtree(folder, ignore_errors=True)  # of one that was stopped
    if change is None:
        done = train_theirs(system, data / "train", args.seed, args.seconds, folder)
        known = their_embeddings(system, folder, data / "eval")
    else:
        config = merged(read_yaml(SYSTEMS[system].model), change)
        done = train_ours(config, data / "train", args.seed, args.seconds, folder)
        known = our_embeddings(folder, data / "eval")
    found = judged(known, read_utt2spk(data / "eval" / "utt2spk"))
    say(f"pairs {found['pairs']:.2f} %, models {found['models']:.2f} %")
    write_json(told, key | done | found | {"machine": machine()})


COLUMNS = {"setting": "{}", "seed": "{}", "seconds": "{:.0f}", "steps": "{:,}", "pairs": "{:.2f}", "models": "{:.2f}"}


def page(found: Iterable[Mapping[str, Any]], words: str) -> Iterable[str]:
    """Yield the lines of the page, of what settings told."""
    found = list(found)
    machines = "; ".join(sorted({told["machine"] for told in found}))
    yield from ("# Settings on training speakers", "", f"`python -m benchmarks.settings {words}`: {machines}", "")
    yield (
        "Each setting was trained on 80 of the 100 training speakers of `ko-fbank40`, and judged on the other"
        f" {SPEAKERS}, by plain cosine: EER in per cent of all pairs of their 600 utterances, and of models of their"
        f" first {ENROLLED} utterances against all others. `{PLAIN}` is the original's loop"
        " (`benchmarks/plain_loops.py`)."
    )
    for system in sorted({told["system"] for told in found}):
        some = sorted((told for told in found if told["system"] == system), key=lambda told: told["pairs"])
        model = SYSTEMS[system].model
        yield from ("", f"## {SYSTEMS[system].title}", "", f"`{{}}` is `{model.relative_to(ROOT)}`.", "")
        yield from ("| setting | seed | s | updates | pairs | models |", "|---|--:|--:|--:|--:|--:|")
        for told in some:
            told = {**told, "setting": f"`{told['setting']}`"}
            yield f"| {' | '.join(form.format(told[name]) for name, form in COLUMNS.items())} |"


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("system", choices=SYSTEMS, help="which of the two")
    parser.add_argument("--work", type=output_folder, required=True, help="folder for networks and what they told")
    parser.add_argument("--corpus", type=input_folder, default=CORPUS, help="ko-fbank40 (default: ../shared's)")
    parser.add_argument("--try", dest="settings", nargs="*", default=[], metavar="SETTING", help="YAML; or plain")
    parser.add_argument("--seed", type=whole_seed, default=1, help="of the trainings (default: 1)")
    parser.add_argument("--seconds", type=bounded(1, 1e6), default=240, help="of each training (default: 240)")
    parser.add_argument("--out", type=output_file, help="a Markdown file, besides stdout")
    args = parser.parse_args(argv)
    data = args.work / "data"
    split_data(args.corpus / "train", data)
    for setting in args.settings:
        tried(args.system, setting, data, args)
    found = [read_json(path) for path in sorted(args.work.glob("*.json"))]
    show_page(page(found, " ".join(sys.argv[1:] if argv is None else argv)), args.out)


if __name__ == "__main__":
    run(main)
