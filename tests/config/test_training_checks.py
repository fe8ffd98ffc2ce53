"""Length, rate and optimiser of a model's YAML: what does not go together, what overrides replace, what is resolved."""

import re
from pathlib import Path

import pytest

from sre import SreError
from sre.cli.configs import schema
from sre.config.resolve import resolve_model, resolve_model_config
from sre.io.yaml_text import parse_yaml
from sre.training.options import ScheduleOptions, TrainingConfig

MODEL = {"features": "given", "architecture": "xvector"}
FEATURES = {"given": {"type": "given"}}
PAGE = Path(__file__).resolve().parents[2] / "docs/training.md"
SETTINGS = re.findall(r"^```\n((?:loss|training):.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)


def resolved(training: str, **sections: object) -> dict:
    given = MODEL | sections | {"training": parse_yaml(training, "m.yaml")}
    return resolve_model_config(schema(), given, "m.yaml", FEATURES, 1)


@pytest.mark.parametrize(
    "training, sentence",
    [
        ("{optimizer: adam, momentum: 0.9}", "training.momentum would do nothing, as optimizer adam has no such thing"),
        ("{betas: [0.9, 0.98]}", "training.betas would do nothing, as optimizer sgd has no such thing; take it out"),
        (
            "{schedule: {type: step}, final_lr: 1e-4}",
            "training.final_lr would do nothing, as schedule step has no such",
        ),
        ("{schedule: {type: cyclic, half_cycle: 9}, warmup_epochs: 1}", "training.warmup_epochs would do nothing"),
        ("{no_decay: [norms], weight_decay: 0}", "training.no_decay would do nothing with weight_decay 0; take one"),
        (
            "{monitor: valid_eer}",
            "training.monitor would do nothing without training.patience or schedule plateau; take it out",
        ),
        ("{steps: 9, epochs: 9}", "training.steps stands in the place of training.epochs; take one of them out"),
        (
            "{schedule: {type: step, patience: 2}}",
            "training.schedule.patience is of type plateau, not of step; take it",
        ),
        ("{schedule: {every: 2}}", "training.schedule.every is of type step, not of exponential; take it out"),
        ("{schedule: {type: cosine}, lr: 1e-5}", "training.final_lr 5e-05 is not below lr 1e-05, as schedule cosine"),
        ("{final_lr: 0}", "training.final_lr is 0, which an exponential never reaches; raise it"),
        (
            "{schedule: {type: cyclic}}",
            "cyclic needs half_cycle or half_cycle_epochs, the length of half a cycle; give",
        ),
        ("{schedule: {type: cyclic, half_cycle: 9, half_cycle_epochs: 1}}", "cyclic needs half_cycle or half_cycle_ep"),
        ("{schedule: {type: plateau}, monitor: valid_eer}", "looks at valid_eer, which needs validation.speakers; set"),
        ("{final: ema}", "training.final ema needs training.ema, the decay; set it, 0.999 is usual"),
        ("{ema: 0.999}", "training.ema would do nothing, as final average has no such thing; take it out"),
        ("{final: last, average_last: 5}", "training.average_last would do nothing, as final last has no such thing"),
        (
            "{final: best_eer}",
            "training.final best_eer looks at valid_eer, which needs validation.speakers; set it to 2",
        ),
        ("{patience: 3, monitor: valid_eer}", "training.patience looks at valid_eer, which needs validation.speakers"),
        ("{patience: 9, epochs: 10}", "training.patience 9 would do nothing in 10 epochs; lower it"),
    ],
)
def test_keys_that_do_not_go_together(training: str, sentence: str) -> None:
    with pytest.raises(SreError) as caught:
        resolved(training, validation={"speakers": 0})
    assert str(caught.value).startswith("m.yaml: ") and sentence in str(caught.value)


@pytest.mark.parametrize("block", SETTINGS, ids=[str(n) for n in range(len(SETTINGS))])
def test_the_settings_of_the_page_are_read(block: str) -> None:
    given = parse_yaml(block, str(PAGE))
    told = resolve_model_config(schema(), MODEL | given, "the page", FEATURES, 1)
    options = TrainingConfig.of(told).training
    assert options.lr == given["training"].get("lr", 0.1) and len(SETTINGS) >= 8
    assert options.schedule.type == given["training"].get("schedule", {"type": "exponential"})["type"]


def test_a_margin_that_does_not_grow_has_no_schedule() -> None:
    with pytest.raises(SreError, match="loss.margin_schedule would do nothing, as margin_epochs"):
        resolved("{}", loss={"margin_schedule": "linear"})
    loss = {"margin_schedule": "linear", "margin_epochs": [0, 2]}
    assert TrainingConfig.of(resolved("{}", loss=loss)).training.margin_schedule == "linear"


def test_zero_says_what_is_so_anyway() -> None:
    assert resolved("{optimizer: adam, momentum: 0, schedule: {type: cyclic, half_cycle: 9}, warmup_epochs: 0}")


def test_what_is_not_given_is_in_no_resolved_config() -> None:
    """So that configs of before have the same text."""
    new = {"steps", "interval", "schedule", "monitor", "betas", "no_decay"}
    told = resolved("{schedule: {type: exponential}, no_decay: [], interval: null}")
    assert not new & told["training"].keys() and "margin_schedule" not in told["loss"]
    options = TrainingConfig.of(told).training
    assert (options.epochs, options.steps, options.interval, options.schedule) == (40, 0, 0, ScheduleOptions())


def test_a_training_of_so_many_steps_has_no_epochs() -> None:
    told = resolved("{steps: 90, interval: 20, optimizer: adamw, betas: [0.8, 0.9], no_decay: [head]}")
    assert "epochs" not in told["training"]
    options = TrainingConfig.of(told).training
    assert (options.epochs, options.steps, options.interval) == (0, 90, 20)
    assert (options.betas, options.no_decay) == ((0.8, 0.9), ("head",))


@pytest.mark.parametrize(
    "own, over, told",
    [
        ("{epochs: 9}", {"steps": 30}, {"steps": 30}),
        ("{steps: 30}", {"epochs": 9}, {"epochs": 9}),
        ("{schedule: {type: step, every: 3}}", {"schedule": {"type": "cosine"}}, {"schedule": {"type": "cosine"}}),
        ("{schedule: {type: step, every: 3}}", {"schedule": {"factor": 0.5}},
         {"schedule": {"type": "step", "every": 3, "factor": 0.5}}),
        ("{final_lr: 1e-4}", {"schedule": {"type": "constant"}}, {"schedule": {"type": "constant"}, "final_lr": 1e-4}),
        ("{schedule: {type: step, every: 3}}", {"schedule": {"type": "step"}}, {"schedule": {"type": "step", "every": 3,
         "factor": 0.95}}),
        ("{final: ema, ema: 0.9}", {"final": "ema"}, {"final": "ema", "ema": 0.9}),
        ("{final: ema, ema: 0.9}", {"final": "last"}, {"final": "last", "ema": None}),
        ("{optimizer: novograd, betas: [0.9, 0.5]}", {"optimizer": "adam"}, {"optimizer": "adam"}),
        ("{momentum: 0.5}", {"optimizer": "adam"}, {"optimizer": "adam", "momentum": 0.5}),
    ],
)  # fmt: skip
def test_overrides_replace_what_was_meant_for_another_choice(tmp_path: Path, own: str, over: dict, told: dict) -> None:
    (tmp_path / "m.yaml").write_text(f"features: given\narchitecture: xvector\ntraining: {own}\n")
    made = resolve_model(schema(), tmp_path / "m.yaml", FEATURES, 1, override={"training": over})["training"]
    assert {key: made.get(key) for key in told} == told
    assert ("steps" in made) != ("epochs" in made) and "betas" not in made


def test_what_an_override_itself_gives_is_checked(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("features: given\narchitecture: xvector\n")
    over = {"training": {"schedule": {"type": "constant"}, "final_lr": 1e-4}}
    with pytest.raises(SreError, match="what the config says of it: training.final_lr would do nothing"):
        resolve_model(schema(), tmp_path / "m.yaml", FEATURES, 1, override=over)
