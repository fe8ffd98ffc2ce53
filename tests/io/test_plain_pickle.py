"""Pickles read without running anything: what comes back, what is refused."""

import operator
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sre import SreError
from sre.io.plain_pickle import read_plain

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
NUMBERS = arrays.arrays(
    st.sampled_from([">f4", "<f8", ">i2", "u1", "?", "<c8"]), arrays.array_shapes(min_dims=0, min_side=0, max_side=3)
)
PLAIN = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner), max_leaves=8
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pickles")


@given(plain=PLAIN, numbers=NUMBERS, protocol=st.integers(0, 5))
def test_plain_data_comes_back(
    tmp_path_factory: pytest.TempPathFactory, plain: object, numbers: np.ndarray, protocol: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "x.p"
    pieces = [numbers, numbers[::-1] if numbers.ndim else numbers, np.asfortranarray(numbers)]
    path.write_bytes(pickle.dumps((plain, *pieces, numbers.dtype.type(1)), protocol))
    back, *found, number = read_plain(path)
    assert back == plain and number == 1
    for given_array, array in zip(pieces, found, strict=True):
        np.testing.assert_array_equal(array, given_array)


class Calls:
    """Pickled as a call of a function."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize("value", [
    Calls(os.system, "true"), Calls(eval, "1"), Calls(operator.attrgetter("a")), {"feat": Calls(np.load, "x.npy")},
    np.array([Calls(os.getcwd)], object), np.zeros(2, "U3"), np.zeros(2, [("a", "f4")]), {1, 2}, complex, object(),
])  # fmt: skip
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_anything_else_is_refused(tmp_path: Path, value: object, protocol: int) -> None:
    (tmp_path / "x.p").write_bytes(pickle.dumps(value, protocol))
    with pytest.raises(SreError, match="x.p: (not read, since it is a pickle that would run|no pickle of plain data)"):
        read_plain(tmp_path / "x.p")


def test_a_state_for_what_may_be_called_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.p").write_bytes(b"cnumpy\nndarray\n}S'x'\nI1\nsb.")
    with pytest.raises(SreError, match="a state for a function"):
        read_plain(tmp_path / "x.p")


def test_damaged_deep_and_doubling_pickles(tmp_path: Path) -> None:
    path = tmp_path / "x.p"
    path.write_bytes(pickle.dumps({"feat": np.zeros((3, 4))})[:-9])
    with pytest.raises(SreError, match="damaged"):
        read_plain(path)
    itself: list = []
    itself.append(itself)
    path.write_bytes(pickle.dumps(itself))
    with pytest.raises(SreError, match="nested too deeply"):
        read_plain(path)
    doubling: list = [0]
    for _ in range(40):
        doubling = [doubling, doubling]
    path.write_bytes(pickle.dumps(doubling))
    left, right = read_plain(path)  # within the age of the universe
    assert left is right
