"""The curves of trainings: where the margin grows, what a fine-tune follows, what became final.pt, who waits."""

import pytest

from sre.report.figures.training import Curve, margin_growth, training_panels
from sre.report.sections.cost import whole_cost_s
from sre.report.sections.remarks import waiting
from sre.report.sections.training import curve_of, final_epochs, summary_facts
from sre.training.summary import Trained, TrainSummary


def epochs(count: int, **columns: float) -> list[dict]:
    rows = [{"epoch": n, "loss": 5 / n, "accuracy": 90 - 80 / n, "lr": 0.1 * 0.6**n} for n in range(1, count + 1)]
    return [{**row, "valid_eer": 9 + 5 / row["epoch"], **columns} for row in rows]


def trained(model: str, history: list[dict], init: str = "", reading: dict | None = None) -> Trained:
    config, started = {"training": {"average_last": 2}}, [{"name": init}] if init else None
    return Trained(model, TrainSummary(config=config, reading=reading or {}, init=started), history)


@pytest.mark.parametrize(
    ("margins", "growth"),
    [
        ([0, 0, 0.1, 0.2, 0.2], (2, 4)),
        ([0.1, 0.2], (1, 2)),
        ([0.2, 0.2], None),
        ([0, 0], None),
        ([None], None),
        ([], None),
    ],
)
def test_where_the_margin_grows(margins: list, growth: tuple | None) -> None:
    assert margin_growth([{"epoch": n, "margin": margin} for n, margin in enumerate(margins, 1)]) == growth


def test_a_fine_tune_follows_the_run_of_its_base_with_its_seed() -> None:
    runs = {
        "xv": trained("xv", epochs(4)),
        "xv_s2": trained("xv", epochs(4, loss=1.0)),
        "lm": trained("lm", epochs(2), "xv"),
        "lm_s2": trained("lm", epochs(2), "xv"),
        "more": trained("more", epochs(1), "lm"),
        "other": trained("other", epochs(1), "models/far.pt"),
    }
    curve = curve_of("lm_s2", runs)
    assert curve.bases == [runs["xv_s2"].history] and (curve.before, curve.first, curve.began) == (4, 2, "")
    assert [(before, len(rows)) for before, rows in curve.parts()] == [(0, 2), (4, 2)]  # as many as it has itself
    assert curve_of("more", runs).bases == [runs["xv"].history, runs["lm"].history]
    assert (curve_of("other", runs).began, curve_of("other", runs).bases) == ("models/far.pt", [])
    grown = Curve(epochs(2, margin=0.5), bases=[[*epochs(1, margin=0.0), {"epoch": 2, "margin": 0.2}]])
    assert list(grown.growths()) == [(1, 2)]


def test_the_cost_of_a_fine_tune_has_its_base() -> None:
    """None is told of one whose start is not of this report, or does not tell its time."""
    told = {"xv": (60.0, ""), "lm": (7.0, "xv"), "more": (2.0, "lm"), "far": (7.0, "models/far.pt"), "old": (None, "")}
    runs = {
        name: Trained(name, TrainSummary(training_s=seconds, runs=1, init=[{"name": init}] if init else None), [])
        for name, (seconds, init) in told.items()
    }
    assert [whole_cost_s(name, runs) for name in (*told, "none")] == [60, 67, 69, None, None, None]


def test_the_summary_names_the_start_with_the_begin_of_its_hash() -> None:
    chain = [
        {"name": name, "sha256": digit * 64, "config_sha256": "0" * 64} for name, digit in (("lm", "a"), ("xv", "b"))
    ]
    facts = summary_facts(TrainSummary(epochs=3, init=chain))
    assert "init" not in facts and facts["started from (SHA-256)"] == f"lm ({'a' * 12}), from xv ({'b' * 12})"


def test_what_became_final() -> None:
    assert final_epochs(trained("m", epochs(5))) == [4, 5]
    assert final_epochs(Trained("m", TrainSummary(final_epochs=[3]), epochs(5))) == [3]
    assert final_epochs(Trained("m", TrainSummary(), epochs(5))) == []


@pytest.mark.parametrize("count", [1, 3, 150])
def test_panels_have_what_was_recorded(count: int) -> None:
    old = {"a": Curve(epochs(count)), "b": Curve(epochs(count))}
    drawn = training_panels(old, "t")
    captions = [figure.caption for figure in drawn]
    assert captions == [
        "Loss by epoch",
        "Accuracy, % of speakers right by epoch",
        "Validation EER, % by epoch",
        "Learning rate by epoch",
    ]
    assert max(len(figure.svg) for figure in drawn) < 60_000
    new = {"a": Curve([row | {"valid_loss": 2.0, "margin": 0.01 * row["epoch"]} for row in epochs(count)], [count])}
    assert training_panels(new, "t")[-1].caption == "Learning rate and margin by epoch"


def test_who_waits_for_data_is_told_what_to_do() -> None:
    slow = epochs(3, data_wait=0.5, seconds=10.0, utt_per_s=40.0)
    slow[0]["data_wait"] = 0.9  # the first epoch reads what the others have in memory
    reading = {"source": "audio", "in_memory": False, "processes": 4, "cores": 4}
    runs = {"a": trained("a", slow, reading=reading), "b": trained("b", epochs(3, data_wait=0.2, seconds=1.0))}
    (said,) = waiting(runs)
    assert said.startswith(
        "Training `a`: 50 % of the time was waiting for data at 40 utt/s: 4 processes on 4 cores read"
    )
