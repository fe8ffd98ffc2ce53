"""Settings of a model beside each other, judged on training speakers held out.

OMP_NUM_THREADS=1 python -m benchmarks.settings blstm --work /tmp/settings --out benchmarks/settings.md \\
    --try '{training: {steps: 400}}' '{training: {steps: 400, lr: 3e-3}}' '{training: {steps: 200, batch_size: 128}}'

A setting is what differs from the YAML of SYSTEMS in benchmarks/originals.py; {} is the YAML as it is. Its steps say
how long it is. The page has the seconds of the processor, which with one thread are about the same beside other work.
Held out are 20 of the 100 training speakers of ko-fbank40, drawn with a fixed seed. They are judged by plain cosine:
EER of all pairs of their utterances, and of models of their first five against all others. Each setting leaves a JSON
in --work, and is not done again. The page has all that are there, with those of before.
"""

import resource
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.originals import CORPUS, ROOT, SYSTEMS, here, import_features, our_embeddings, train, with_steps
from benchmarks.scoring import show_page
from sre.backends import Cosine
from sre.cli.arguments import Parser, input_folder, output_file, output_folder
from sre.cli.arguments import seed as whole_seed
from sre.datadir.datadir import write_data_dir
from sre.io.atomic import sha256_text, write_json
from sre.io.embeddings import Embeddings
from sre.io.scp import read_scp
from sre.io.tables import invert, read_utt2spk
from sre.io.text import canonical, flatten, read_json
from sre.io.yaml_text import merged, parse_yaml, read_yaml
from sre.machine.log import run, say
from sre.metrics.rates import eer
from sre.training.held_out import held_out_speakers

SPEAKERS, ENROLLED = 20, 5  # held out; utterances of a model


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
    config = merged(read_yaml(SYSTEMS[system].model), parse_yaml(setting, "--try"))
    key = {"system": system, "config": config, "seed": args.seed}
    name = f"{system}_{sha256_text(canonical(key))[:12]}"
    told, folder = args.work / f"{name}.json", args.work / name
    if told.is_file():
        return
    say(f"{system} {setting}")
    shutil.rmtree(folder, ignore_errors=True)  # of one that was stopped
    steps = config["training"]["steps"]
    feats, before = import_features(data / "train", folder), cpu_seconds()
    train(with_steps(config, steps), data / "train", feats, args.seed, folder / "final.pt")
    found = {"cpu_s": cpu_seconds() - before, "steps": steps}
    known = our_embeddings(folder, data / "eval")
    found |= judged(known, read_utt2spk(data / "eval" / "utt2spk"))
    say(f"{system} {setting}: {found}")
    write_json(told, key | found | {"machine": here()})


def cpu_seconds() -> float:
    """Return the processor's seconds of the processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


COLUMNS = {"setting": "{}", "seed": "{}", "cpu_s": "{:.0f}", "steps": "{:,}", "pairs": "{:.2f}", "models": "{:.2f}"}
LENGTH = ("training.steps", "training.interval")


def difference(config: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """Return what a config has in the place of a model's YAML, but for its length."""
    base = dict(flatten(model))
    told = {name: value for name, value in flatten(config) if name not in LENGTH and value != base.get(name)}
    return "; ".join(f"{name} {value}" for name, value in told.items()) or "nothing"


def page(found: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Yield the lines of the page, of what settings told."""
    found = list(found)
    machines = "; ".join(sorted({told["machine"] for told in found}))
    command = "OMP_NUM_THREADS=1 python -m benchmarks.settings SYSTEM --try SETTING …"
    yield from ("# Settings on training speakers", "", f"`{command}`: {machines}", "")
    yield (
        "Each setting was trained on 80 of the 100 training speakers of `ko-fbank40`, and judged on the other"
        f" {SPEAKERS}, by plain cosine: EER in per cent of all pairs of their 600 utterances, and of models of their"
        f" first {ENROLLED} utterances against all others. One seed tells no small difference."
    )
    for system in sorted({told["system"] for told in found}):
        some = sorted((told for told in found if told["system"] == system), key=lambda told: told["pairs"])
        model = SYSTEMS[system].model
        yield from ("", f"## {SYSTEMS[system].title}", "", f"What differs from `{model.relative_to(ROOT)}`:", "")
        yield from ("| setting | seed | CPU s | updates | pairs | models |", "|---|--:|--:|--:|--:|--:|")
        for told in some:
            told = {**told, "setting": difference(told["config"], read_yaml(model))}
            yield f"| {' | '.join(form.format(told[name]) for name, form in COLUMNS.items())} |"


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("system", choices=SYSTEMS, help="which of the two")
    parser.add_argument("--work", type=output_folder, required=True, help="folder for networks and what they told")
    parser.add_argument("--corpus", type=input_folder, default=CORPUS, help="ko-fbank40 (default: ../shared's)")
    parser.add_argument("--try", dest="settings", nargs="*", default=[], metavar="SETTING", help="YAML")
    parser.add_argument("--seed", type=whole_seed, default=1, help="of the trainings (default: 1)")
    parser.add_argument("--out", type=output_file, help="a Markdown file, besides stdout")
    args = parser.parse_args(argv)
    data = args.work / "data"
    split_data(args.corpus / "train", data)
    for setting in args.settings:
        tried(args.system, setting, data, args)
    found = [read_json(path) for path in sorted(args.work.glob("*.json"))]
    show_page(page(found), args.out)


if __name__ == "__main__":
    run(main)
