"""The last gate before training: every utterance of every trial list has features.

python -m steps.check_features '{"train": "mini_train", "trials": {…}, "features": ["fbank40"]}' data checked.json
"""

import json
from pathlib import Path

from sre import SreError
from sre.cli.arguments import Parser, input_folder, json_job, output_file
from sre.features.store import FeatureStore
from sre.io.atomic import atomic_output
from sre.machine.log import run, say
from sre.training.gates import TrialList, check_features, describe_features

LISTS = {"*": {"split": str, "enroll": object}}


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    described = 'JSON: {"train", "trials": {name: {"split", "enroll"}}, "features": [names]}'
    parser.add_argument("job", type=json_job(train=str, trials=LISTS, features=[str]), help=described)
    where = 'folder of the splits\' data directories and of trials/; without it "data" of the JSON'
    parser.add_argument("data", type=input_folder, nargs="?", help=where)
    parser.add_argument("out", type=output_file, help="JSON of what was checked")
    args = parser.parse_args(argv)
    job = args.job
    if args.data is None and not isinstance(job.get("data"), str):
        raise SreError("check_features: no folder of data; give it before the file to write")
    data = args.data or Path(job["data"])
    problems: list[str] = []
    described = []
    for features in job["features"]:
        splits = {job["train"], *(trial["split"] for trial in job["trials"].values())}
        folders = {split: data / split / "feats" / features for split in sorted(splits)}
        stores = {split: FeatureStore(folder / "feats.scp") for split, folder in folders.items()}
        described += [describe_features(split, folder, stores[split]) for split, folder in folders.items()]
        for name, trial in job["trials"].items():
            enroll = data / "trials" / f"{name}.enroll" if trial["enroll"] else None
            try:
                check_features(
                    TrialList(name, data / "trials" / name, data / trial["split"], enroll), stores[trial["split"]]
                )
            except SreError as error:
                problems.append(str(error))
    if problems:
        raise SreError("\n".join(problems))
    with atomic_output(args.out) as file:
        json.dump(job | {"described": described}, file, indent=1, sort_keys=True)
    say(f"every utterance of {', '.join(job['trials'])} has features")


if __name__ == "__main__":
    run(main)
