"""What a data.smk says of its corpus: a part that is missing, unknown or of another kind is a sentence."""

import json

import pytest

from sre import SreError
from sre.config.conditions import Condition, read_condition
from sre.config.corpus import TrialList, read_corpus

LISTS = [TrialList("main", "eval"), TrialList("hard", "other", has_enroll_map=True)]


def test_splits_and_lists() -> None:
    corpus = read_corpus({"train": "train", "lists": LISTS, "adapt": "target"}, "data.smk")
    assert corpus.splits == ["eval", "other", "target", "train"] and corpus.listed_splits == ["eval", "other"]
    assert (corpus.feats_only, corpus.notes) == ((), ())
    developed = corpus.with_development()
    assert developed.lists == (*LISTS, TrialList("train_dev", "train"))
    assert developed.listed_splits == ["eval", "other", "train"] and developed.splits == corpus.splits


def test_a_part_of_the_training_data_is_left_unheard() -> None:
    """What is developed on, and copied, is of the other part; losses are told of the whole."""
    corpus = read_corpus({"train": "train", "lists": LISTS, "feats_only": ["train"]}, "data.smk")
    cut = corpus.with_unheard({"utterances": 3})
    assert (cut.train, cut.unheard, cut.source) == ("train_heard", "train_unheard", "train")
    assert cut.splits == ["eval", "other", "train_heard", "train_unheard"]
    assert cut.feats_only == ("train", "train_heard", "train_unheard")
    assert cut.with_development().development == TrialList("train_heard_dev", "train_heard")
    with pytest.raises(SreError, match="identification.utterances: 2.5 is no whole number; give one, or a share"):
        corpus.with_unheard({"utterances": 2.5})
    taken = read_corpus({"train": "train", "lists": [TrialList("main", "train_heard")]}, "data.smk")
    with pytest.raises(SreError, match="train_heard is a split that the recipe has"):
        taken.with_unheard({"utterances": 3})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"train": None}, "data.smk: corpus\\(\\) lacks train; write train='SPLIT'"),
        ({"lists": []}, "data.smk: corpus\\(\\) lacks lists; write lists=\\[TrialList"),
        ({"lists": {"main": "eval"}}, "corpus\\(\\) lacks lists"),
        ({"note": "a"}, "corpus\\(\\) has no 'note'; the nearest is 'notes'"),
        ({"notes": "a sentence"}, "corpus\\(\\): notes is 'a sentence'; write a list"),
        ({"train": "Train-1"}, "'Train-1' names a split or a list; write it with small letters, digits and _ only"),
        ({"lists": [*LISTS, *LISTS]}, "two trial lists are named 'hard'; rename one"),
        ({"feats_only": ["eval", "elsewhere"]}, "feats_only has 'elsewhere', which is none of the splits eval, other,"),
    ],
)
def test_faults(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(SreError, match=sentence):
        read_corpus({"train": "train", "lists": LISTS} | change, "data.smk")


def test_all_faults_at_once() -> None:
    with pytest.raises(SreError) as found:
        read_corpus({"trian": "train"}, "data.smk")
    assert len(str(found.value).splitlines()) == 3


ASKED = {
    "lists": [],
    "snr": [0.0, 10.0, -2.5],
    "noises": ["noise"],
    "rooms": ["small"],
    "seconds": [4.0, 1.5],
    "seed": 3,
    "held_out": 0.5,
}


def test_conditions_are_lists_of_the_same_trials() -> None:
    corpus = read_corpus({"train": "train", "lists": LISTS, "feats_only": ["eval"]}, "data.smk")
    assert corpus.with_conditions(ASKED | {"snr": [], "rooms": [], "seconds": []}) == corpus
    found = corpus.with_conditions(ASKED)
    assert [item.name for item in found.lists[2:4]] == ["main_4s", "main_1p5s"]  # features alone can only be cut
    assert found.feats_only == ("eval", "eval_1p5s", "eval_4s")
    more = found.lists[4:]
    names = ["hard_snr10", "hard_snr0", "hard_snrm2p5", "hard_room", "hard_4s", "hard_1p5s"]
    assert [item.name for item in more] == names
    assert [item.split for item in more] == [name.replace("hard", "other") for name in names]
    assert all(item.has_enroll_map and item.source == "other" for item in more)
    conditions = [item.condition for item in more if item.condition]
    assert conditions[0] == Condition("hard", "snr", 10.0, ["noise"], 3, 0.5) and conditions[3].categories == ["small"]
    assert [read_condition(json.loads(one.text)) for one in conditions] == conditions
    assert conditions[0].distort[0]["one_of"][0]["snr"] == [10.0, 10.0]
    assert "snr" not in conditions[3].distort[0]["one_of"][0]


@pytest.mark.parametrize(
    ("lists", "asked", "feats_only", "sentence"),
    [
        (LISTS, {"lists": ["mian"]}, [], "conditions.lists: 'mian' is none of the trial lists; the nearest is 'main'"),
        (LISTS, {"lists": ["main"]}, ["eval"], "'main' has features and no audio to change; take it out"),
        (LISTS, {}, ["eval", "other"], "no trial list has audio, only features"),
        ([*LISTS, TrialList("main_room", "eval")], {}, [], "main_room of eval_room is a name that the recipe has"),
    ],
)
def test_conditions_that_cannot_be(
    lists: list[TrialList], asked: dict[str, object], feats_only: list[str], sentence: str
) -> None:
    corpus = read_corpus({"train": "train", "lists": lists, "feats_only": feats_only}, "data.smk")
    with pytest.raises(SreError, match=sentence):
        corpus.with_conditions(ASKED | asked)


def test_lists_of_triplets_are_of_each_split_that_is_tested() -> None:
    corpus = read_corpus({"train": "train", "lists": [*LISTS, TrialList("more", "eval")]}, "data.smk")
    found = corpus.with_conditions(ASKED).with_triplets().with_development()
    assert [item for item in found.lists if "triplets" in item.name] == [
        TrialList("eval_triplets", "eval"),
        TrialList("other_triplets", "other"),
    ]
    assert found.splits == corpus.with_conditions(ASKED).splits
    taken = read_corpus({"train": "train", "lists": [*LISTS, TrialList("eval_triplets", "eval")]}, "data.smk")
    with pytest.raises(SreError, match="triplet_trials: eval_triplets is a list that the recipe has; rename that"):
        taken.with_triplets()


def test_versions_of_the_development_list() -> None:
    """They are splits of its utterances alone, and no lists; the noises are those that conditions leave."""
    quality = {"snr": [5.0], "seconds": [1.0, 2.0], "measures": ["duration"]}
    corpus = read_corpus({"train": "train", "lists": LISTS}, "data.smk").with_development()
    more = corpus.with_versions(quality, ASKED)
    assert more.lists == corpus.lists and more.feats_only == ()
    assert [item.split for item in more.versions] == ["train_dev_snr5", "train_dev_2s", "train_dev_1s"]
    assert {item.source for item in more.versions} == {"train_dev"} and more.versions[0].condition.held_out == 0
    assert set(more.splits) - set(corpus.splits) == {item.split for item in more.versions}
    of_features = read_corpus({"train": "train", "lists": LISTS, "feats_only": ["train"]}, "data.smk")
    cut = of_features.with_versions({**quality, "snr": []}, ASKED)
    assert cut.feats_only == ("train", "train_dev_1s", "train_dev_2s")
    with pytest.raises(SreError, match="quality.snr: train has features and no audio to add noise to; take it out"):
        of_features.with_versions(quality, ASKED)


def test_a_condition_that_is_none() -> None:
    with pytest.raises(
        SreError, match="no condition of a list: kind is 'music', .*; write of, a list's name, and kind"
    ):
        read_condition({"of": "main", "kind": "music"})
