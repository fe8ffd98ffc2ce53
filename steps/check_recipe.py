"""The gates before training; what they saw goes into GATES.json, which the report shows.

python -m steps.check_recipe '{"train": "mini_train", "trials": {…}, …}' data exp/mini/gates.json
"""

import json
from pathlib import Path

from sre import SreError
from sre.cli.arguments import Parser, input_folder, json_job, output_file
from sre.io.atomic import atomic_output
from sre.machine.log import run, say
from sre.training.gates import TrialList, check_disk, check_overlap, check_tables, check_trials, describe_split, gather

LISTS = {"*": {"split": str, "enroll": object}}
COLUMNS = {"type": str, "num_mel_bins": int, "num_ceps": int, "frame_shift": float, "compression": int}


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    kinds = {"train": str, "trials": LISTS, "others": [str], "features": {"*": COLUMNS}}
    kinds |= {"checkpoints": int, "notes": [str]}
    parser.add_argument("job", type=json_job(**kinds), help="JSON of " + ", ".join(kinds))
    where = 'folder of the splits\' data directories and of trials/; without it "data" of the JSON'
    parser.add_argument("data", type=input_folder, nargs="?", help=where)
    parser.add_argument("out", type=output_file, help="GATES.json")
    args = parser.parse_args(argv)
    job = args.job
    if args.data is None and not isinstance(job.get("data"), str):
        raise SreError("check_recipe: no folder of data; give it before the file to write")
    data = args.data or Path(job["data"])
    train = data / job["train"]
    splits = {trial["split"]: data / trial["split"] for trial in job["trials"].values() if trial["split"] != train.name}
    others = {name: data / name for name in job["others"]}
    problems: list[str] = []
    counts = {}

    for folder in (train, *others.values()):
        gather(problems, check_overlap, folder, splits)
    for folder in {train, *splits.values(), *others.values()}:
        gather(problems, check_tables, folder)
    for name, trial in job["trials"].items():
        enroll = data / "trials" / f"{name}.enroll" if trial["enroll"] else None
        counts[name] = gather(
            problems, check_trials, TrialList(name, data / "trials" / name, data / trial["split"], enroll)
        )
    gather(problems, check_disk, data, {job["train"], *splits, *others}, job["features"], job["checkpoints"])
    if problems:
        raise SreError("\n".join(problems))
    folders = [train, *(folder for _, folder in sorted({**splits, **others}.items()))]
    with atomic_output(args.out) as file:
        data_summary = [describe_split(folder) for folder in folders]
        notes = [*job["notes"], *(note for part in (*data_summary, *counts.values()) for note in part.pop("notes"))]
        result = {"notes": notes, "data": data_summary, "trials": counts}
        json.dump(result, file, indent=1, sort_keys=True)
    say(f"gates passed: {len(counts)} trial lists, no speaker of {', '.join(splits)} in {train.name}")


if __name__ == "__main__":
    run(main)
