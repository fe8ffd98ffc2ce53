"""Back-ends as Python code has them: a short config, its defaults, one score; and what is none."""

from dataclasses import MISSING, fields

import numpy as np
import pytest
from simulated import SCHEMA, backend_config, scores_of, shortest, speech

from sre import SreError
from sre.backends import KINDS, fit
from sre.backends.options import Adaptation, Asked

X, SPEAKERS = speech(12, 5, 6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_short_config_is_the_resolved_one(kind: str) -> None:
    short = shortest(kind)
    ours, resolved = fit(short, X, SPEAKERS), fit(backend_config(**short), X, SPEAKERS)
    assert (ours.options, ours.facts) == (resolved.options, resolved.facts)
    np.testing.assert_array_equal(ours.score(X, X), resolved.score(X, X))


@pytest.mark.parametrize("part, asked", [("backend", Asked), ("adapt", Adaptation)])
def test_defaults_are_those_of_the_schema(part: str, asked: type) -> None:
    properties = SCHEMA.part("$defs", "backend")["properties"]
    properties = properties if part == "backend" else properties[part]["properties"]
    defaults = {field.name: field.default for field in fields(asked) if field.default is not MISSING}
    options = properties.keys() - {"speakers"}  # that tells whom it is fitted on
    expected = {name: properties[name]["default"] for name in options if "default" in properties[name]}
    assert defaults | ({"chain": list(Asked.chain)} if part == "backend" else {}) == expected
    for options in [kind.OPTIONS for kind in KINDS.values()] if part == "backend" else ():
        assert {field.name: field.default for field in fields(options)}.items() <= expected.items()


def test_score_of_vectors_and_matrices() -> None:
    backend = fit({"type": "plda"}, X, SPEAKERS)
    matrix = scores_of(backend, X, np.arange(60)[:, None], X)
    np.testing.assert_array_equal(backend.score(X, X), matrix)
    np.testing.assert_allclose(backend.score(X[3], X), matrix[3], rtol=1e-9)
    np.testing.assert_allclose(backend.score(X, X[3]), matrix[:, 3], rtol=1e-9)
    assert isinstance(backend.score(X[3], X[5]), float) and backend.score(X[3], X[5]) == pytest.approx(matrix[3, 5])


@pytest.mark.parametrize(
    "config, sentence",
    [
        ({}, "^back-end: it has no type; give one"),
        ({"type": "pdla"}, "^back-end: there is no type 'pdla'; give one of " + ", ".join(KINDS) + "$"),
        ({"type": "plda", "lda": 3}, "^back-end: 'lda' is no key of it; there are type, chain, enrol"),
        ({"type": "plda", "adapt": {"within": 1.0}}, "^back-end: adapt: it has no method"),
        ({"type": "plda", "enrol": "max"}, "^plda: enrol 'max' is not of this type; give one of mean, score_mean"),
        ({"type": "cosine", "enrol": "by_the_book"}, "^cosine: enrol 'by_the_book' is not of this type; give one of"),
        ({"type": "cosine", "adapt": {"method": "coral"}}, "^cosine: this type has no adaptation; leave adapt out"),
        ({"type": "ht_plda"}, "^ht_plda: it needs rank, the dimension"),
        ({"type": "plda", "chain": ["center"]}, "^chain: 'center' is no step; there are centre, centre:adapt, length"),
        ({"type": "plda", "chain": ["lda"]}, "^chain: 'lda' is no step"),
    ],
)
def test_configs_that_are_none(config: dict, sentence: str) -> None:
    with pytest.raises(SreError, match=sentence):
        fit(config, X, SPEAKERS)
