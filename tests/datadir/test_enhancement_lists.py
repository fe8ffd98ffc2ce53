"""The lists and targets of Speaker embedding enhancement: what is drawn, and that it is drawn again."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from sre import SreError
from sre.datadir.enhancement import EACH, pairs_to_test, session_pairs, triplets
from sre.io.ark import read_vectors, write_ark
from sre.io.tables import write_table
from sre.io.text import lines_of, read_text
from steps import make_enhancement_lists

UTT2SPK = {f"s{speaker}_{number:02}": f"s{speaker}" for speaker in range(5) for number in range(12)}
SESSIONS = {utt: str(int(utt[3:]) // 3) for utt in UTT2SPK}


def test_no_pair_of_the_test_list_stands_twice_in_either_order() -> None:
    found = pairs_to_test(UTT2SPK)
    assert len({frozenset(pair[:2]) for pair in found}) == len(found)
    assert all(same == (UTT2SPK[a] == UTT2SPK[b]) and a != b for a, b, same in found)
    of_each = Counter(utt for *pair, same in found if not same for utt in pair)
    assert min(of_each.values()) >= EACH - 1 and 0.5 < sum(same for *_, same in found) / (len(found) / 2) < 1.5


def test_lists_are_drawn_by_the_seed_alone() -> None:
    shuffled = dict(sorted(UTT2SPK.items(), key=lambda item: item[0][::-1]))
    for draw in (pairs_to_test, triplets, lambda table, *seed: session_pairs(table, SESSIONS, *seed)):
        assert draw(UTT2SPK) == draw(shuffled) != draw(UTT2SPK, 2)


def test_each_utterance_has_another_speaker() -> None:
    found = triplets(UTT2SPK)
    assert [(speaker, utt) for speaker, utt, _ in found] == [(UTT2SPK[utt], utt) for utt in sorted(UTT2SPK)]
    assert all(speaker != other for speaker, _, other in found) and len({other for *_, other in found}) == 5


def test_as_many_pairs_within_a_session_as_across_two() -> None:
    """Of a speaker with one session, and of one with a session for each utterance, there are none."""
    sessions = SESSIONS | {utt: "one" for utt in UTT2SPK if utt < "s1"} | {utt: utt for utt in UTT2SPK if utt > "s4"}
    found = session_pairs(UTT2SPK, sessions)
    assert {speaker for speaker, *_ in found} == {"s1", "s2", "s3"}
    for speaker, a, b, same in found:
        assert UTT2SPK[a] == UTT2SPK[b] == speaker and (sessions[a] == sessions[b]) == same
    for kind in (True, False):
        used = Counter(utt for _, a, b, same in found if same == kind for utt in (a, b))
        assert set(used.values()) == {1} and len(used) == 3 * 8


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    draw = np.random.default_rng(0)
    crops = {utt: draw.normal(2, 1, (10, 6)).astype(np.float32) for utt in UTT2SPK}
    write_ark(tmp_path / "c.ark", tmp_path / "c.scp", sorted(crops.items()))
    write_table(tmp_path / "utt2spk", UTT2SPK)
    write_table(tmp_path / "utt2session", SESSIONS)
    make_enhancement_lists.main([str(tmp_path), str(tmp_path / "c.scp"), str(tmp_path / "lists")])
    return tmp_path / "lists", crops


def test_an_embedding_that_goes_with_no_other_is_named(
    made: tuple[Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    step, (_, crops) = [str(tmp_path), str(tmp_path / "c.scp"), str(tmp_path / "more")], made
    for bad, said in (
        (np.ones((10, 5)), "s1_03 has 5 values, others 6"),
        (np.zeros((10, 6)), "s1_03 has a mean of length 0"),
    ):
        write_ark(tmp_path / "c.ark", tmp_path / "c.scp", sorted((crops | {"s1_03": bad.astype(np.float32)}).items()))
        with pytest.raises(SreError, match=said):
            make_enhancement_lists.main(step)
    assert not (tmp_path / "more").exists()


def test_targets_are_means_of_all_utterances(made: tuple[Path, dict[str, np.ndarray]]) -> None:
    """Type C too, which Jung makes of the speaker's last utterance alone."""
    folder, crops = made
    means = {utt: crop.mean(axis=0) for utt, crop in crops.items()}
    units = {utt: mean / np.linalg.norm(mean) for utt, mean in means.items()}
    for name, told in (("single", units), ("multi_b", units), ("multi_c", means)):
        ids, vectors = read_vectors(folder / f"{name}.scp")
        for key, vector in zip(ids, vectors, strict=True):
            expected = np.mean([value for utt, value in told.items() if key in (utt, UTT2SPK[utt])], axis=0)
            if name == "multi_c":
                expected /= np.linalg.norm(expected)
            np.testing.assert_allclose(vector, expected, atol=1e-6)
    lines = {name: lines_of(read_text(folder / name)) for name in ("normal", "test", "triplet", "distribution")}
    assert lines["normal"][0] == "s0 s0_00" and len(lines["normal"]) == len(lines["triplet"]) == 60
    assert lines["test"][0].split()[2] in ("target", "nontarget") and lines["distribution"][0].split()[3] in ("0", "1")
