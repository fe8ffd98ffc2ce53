"""Fusions of several models in a recipe: which runs they are made of, and what is wrong with one."""

import pytest
from test_resolve import recipe

from sre import SreError
from sre.config.fusions import fusions_of
from sre.config.runs import Run

BOTH = {"both": ["xvector/lda_plda", "xvector/cosine_centred+asnorm"]}
DEV = {"development": {"speakers": 8}, "primary_system": None}


def test_each_seed_is_fused_with_its_own_and_a_bundle_with_each() -> None:
    runs = {"net": Run("net", 1), "net_s3": Run("net", 3), "old": Run("old", 0, bundle="final.pt")}
    found = fusions_of("both", ["net/lda_plda", "old/cosine+asnorm", "net/cosine"], runs)
    assert list(found) == ["both", "both_s3"]
    assert found["both_s3"].inputs == {"net/lda_plda": "net_s3", "old/cosine+asnorm": "old", "net/cosine": "net_s3"}
    assert (found["both_s3"].model, found["both_s3"].system, found["both_s3"].seed) == ("net+old", "both", 3)
    assert found["both"].runs == ["net", "old"]
    assert {name: one.seed for name, one in fusions_of("b", ["old/cosine", "old/plda"], runs).items()} == {"b": 0}


def test_its_systems_are_those_of_each_run_and_it_is_none_of_them() -> None:
    told = recipe("mini", systems=["cosine", "both"], fusions=BOTH, seeds=[1, 2], **DEV)
    assert list(told.systems) == ["cosine", "lda_plda", "cosine_centred+asnorm"]
    assert {name: one.inputs["xvector/lda_plda"] for name, one in told.fusions.items()} == {
        "both": "xvector",
        "both_s2": "xvector_s2",
    }
    assert set(told.backends) == {"cosine", "cosine_centred", "lda_plda"}


def test_the_order_of_the_inputs_is_a_part_of_its_config() -> None:
    """The weights are in this order: Snakemake must see that it changed."""
    runs = {"a": Run("a", 1), "b": Run("b", 1)}
    one, other = (fusions_of("f", inputs, runs)["f"] for inputs in (["a/cosine", "b/cosine"], ["b/cosine", "a/cosine"]))
    assert one.config != other.config


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"fusions": {"both": ["xvectr/cosine", "xvector/lda_plda"]}}, "names the unknown model 'xvectr'; the nearest"),
        ({"fusions": {"both": ["xvector/cosin", "xvector/lda_plda"]}}, "unknown back-end 'cosin'; the nearest is 'c"),
        ({"fusions": {"both": ["cosine", "xvector/lda_plda"]}}, "'both': 'cosine' is no MODEL/SYSTEM, and others are"),
        ({"fusions": {"both": ["/cosine", "xvector/lda_plda"]}}, "'/cosine' is no MODEL/SYSTEM"),
        ({"development": {}}, "systems: 'both' is trained on a development list; set development.speakers"),
        ({"fusions": {"xvector": BOTH["both"]}, "systems": ["xvector"]}, "'xvector': a run is named xvector; rename"),
        ({"fusions": BOTH | {"all": ["both", "cosine"]}, "systems": ["all"]}, "'both' is of several models, so it"),
        ({"systems": ["both+cal"]}, "a fusion is calibrated, and has no cohort; write 'both' alone"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence(changes: dict, sentence: str) -> None:
    with pytest.raises(SreError) as caught:
        recipe("mini", **({"systems": ["both"], "fusions": BOTH, **DEV} | changes))
    assert sentence in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_a_fault_of_a_model_is_not_also_one_of_its_fusions() -> None:
    with pytest.raises(SreError) as caught:
        recipe("mini", systems=["both"], fusions=BOTH, xvector={"training": {"lr": -1}}, **DEV)
    assert "lr" in str(caught.value) and "unknown model" not in str(caught.value)
