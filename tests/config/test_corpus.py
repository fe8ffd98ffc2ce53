"""What a data.smk says of its corpus: a part that is missing, unknown or of another kind is a sentence."""

import pytest

from sre import SreError
from sre.config.corpus import TrialList, read_corpus

LISTS = [TrialList("main", "eval"), TrialList("hard", "other", has_enroll_map=True)]


def test_splits_and_lists() -> None:
    corpus = read_corpus({"train": "train", "lists": LISTS, "adapt": "target"}, "data.smk")
    assert corpus.splits == ["eval", "other", "target", "train"] and corpus.listed_splits == ["eval", "other"]
    assert (corpus.feats_only, corpus.notes) == ((), ())
    developed = corpus.with_development()
    assert developed.lists == (*LISTS, TrialList("train_dev", "train"))
    assert developed.listed_splits == ["eval", "other", "train"] and developed.splits == corpus.splits


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
