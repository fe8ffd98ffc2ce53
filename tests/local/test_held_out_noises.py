"""Noises and rooms that are held out of training: the two parts share no file, and no room."""

import pytest

from local.prepare_rirs import room_of
from local.preparing_noises import part_of
from sre import SreError


@pytest.mark.parametrize(("share", "count"), [(0.25, 2), (0.5, 4), (0.01, 1), (0.9, 7)])
def test_the_parts_are_disjoint_and_the_whole(share: float, count: int) -> None:
    wav = {f"{category}-{n}": f"{category}-{n}.wav" for category in ("noise", "speech") for n in range(8)}
    categories = {key: key.partition("-")[0] for key in wav}
    rest, held = (part_of(wav, categories, share, only) for only in (False, True))
    assert not rest.keys() & held.keys() and {**rest, **held} == wav
    assert [sum(categories[key] == name for key in held) for name in ("noise", "speech")] == [count, count]
    assert part_of(wav, categories, 0.0, False) == wav


def test_all_positions_of_a_room_are_in_one_part() -> None:
    keys = [
        f"{size}-Room{room:03}-{place:05}" for size in ("small", "large") for room in range(5) for place in range(3)
    ]
    categories = {key: key.partition("-")[0] for key in keys}
    rest, held = (part_of(dict.fromkeys(keys, ""), categories, 0.4, only, room_of) for only in (False, True))
    assert len(held) == 2 * 2 * 3 and not {room_of(key) for key in rest} & {room_of(key) for key in held}
    assert room_of("real-RVB2014_type1_rir_largeroom1_near_angla") != room_of("real-RVB2014_type1_rir_largeroom1_far")


def test_a_single_file_cannot_be_held_out() -> None:
    with pytest.raises(
        SreError, match="hum is the only file or room of noise: none can be held out; set held_out to 0"
    ):
        part_of({"hum": "hum.wav"}, {"hum": "noise"}, 0.5, True)
