"""The table of stages against the rules of Snakemake and the steps themselves."""

import re
from pathlib import Path

from sre.config import stages
from sre.config.stages import STAGE_VERSIONS, STAGES, stage_of

# rules of another stage than the name of their file
FILES = {"triplets": "data", "conditions": "data", "augment": "data", "unheard": "data"}
FILES |= {"quality": "feats", "fuse": "score", "identify": "score"}
STEPS = Path(__file__).resolve().parents[2] / "steps"


def test_the_rules_of_each_stage_are_those_of_its_file() -> None:
    """Each file ends in a rule of the stage's own name, which asks for all that the others make."""
    assert {path.stem for path in STEPS.glob("*.smk")} == {*STAGES, *FILES, "common"}
    for name, stage in STAGES.items():
        files = [name, *(file for file, of in FILES.items() if of == name)]
        text = "".join((STEPS / f"{file}.smk").read_text(encoding="utf-8") for file in files)
        found = re.findall(r"^\s*rule (\w+):", text, re.M)
        assert sorted(found) == sorted([*stage.rules, name])


def test_the_steps_that_are_named_are_there() -> None:
    named = {stages.TRAIN_EMBEDDING, stages.TRAIN_BACKEND, stages.SCORE_SYSTEMS, *stages.NUMBERLESS}
    assert all((STEPS / f"{step}.py").is_file() for step in named)
    assert stages.BY_UTTERANCE - {path.stem for path in STEPS.glob("*.py")} == set()
    assert STAGE_VERSIONS.keys() <= STAGES.keys()


def test_the_rules_of_a_recipe_make_data() -> None:
    assert (stage_of("prepare_voxceleb"), stage_of("train_backend")) == ("data", "score")
