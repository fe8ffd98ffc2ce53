"""What cards tell of themselves, of a driver that is played here."""

import sys
import time
from types import SimpleNamespace

import pytest

from sre.machine import nvml
from sre.machine.nvml import Cards


class NVMLError(Exception):
    pass


class Driver(SimpleNamespace):
    """Two cards that have used 5 J and 7 J before; "GPU-old" has no counter, and "GPU-part" does not tell its share."""

    NVMLError = NVMLError

    def __init__(self) -> None:
        super().__init__(mj={"GPU-a": 5000, "GPU-b": 7000}, busy={"GPU-a": 100, "GPU-b": 50, "GPU-old": 30})

    def nvmlInit(self) -> None:
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:
        return self._told(self.mj, handle)

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> SimpleNamespace:
        return SimpleNamespace(gpu=self._told(self.busy, handle))

    def _told(self, table: dict[str, int], handle: str) -> int:
        if handle not in table:
            raise NVMLError("Not Supported")
        return table[handle]


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    made = Driver()
    monkeypatch.setitem(sys.modules, "pynvml", made)
    monkeypatch.setattr(nvml, "SAMPLE_EVERY_S", 0.01)
    return made


def sampled(cards: Cards) -> float | None:
    end = time.monotonic() + 1
    while (share := cards.busy()) is None and time.monotonic() < end:
        time.sleep(0.02)
    return share


def test_energy_is_that_of_the_watch_alone_and_busy_of_the_time_since_the_last_call(driver: Driver) -> None:
    cards = Cards.watch(["GPU-a", "GPU-b"])
    assert cards.energy_j == 0
    driver.mj["GPU-b"] += 2500
    assert cards.energy_j == 2.5
    assert sampled(cards) == pytest.approx(0.75)
    cards.close()


def test_what_a_card_does_not_tell_is_not_known(driver: Driver) -> None:
    old, part = Cards.watch(["GPU-a", "GPU-old"]), Cards.watch(["GPU-part"])
    assert old.energy_j is None and sampled(old) == pytest.approx(0.65)
    time.sleep(0.05)
    assert part.energy_j is None and part.busy() is None
    old.close(), part.close()


def test_without_cards_package_or_driver_nothing_is_watched(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Cards.watch([]) is None
    monkeypatch.setattr(Driver, "nvmlInit", lambda self: self._told({}, "Driver Not Loaded"))
    assert Cards.watch(["GPU-a"]) is None
    monkeypatch.setitem(sys.modules, "pynvml", None)  # as if it were not installed
    assert Cards.watch(["GPU-a"]) is None
