"""What the driver's library NVML tells of NVIDIA cards while a job works: their energy, how busy they are.

It is asked through the package nvidia-ml-py (pip install 'sre[gpu]'). Without the package, the driver, or a card that
tells, nothing is known.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Optional

SAMPLE_EVERY_S = 1.0  # the driver's own share is of the last 1/6 to 1 s, by the card


class Cards:
    """Cards by their UUIDs, from now on.

    A card is busy while at least one kernel runs on it, whosever that is: the share is of time, not of its processors.
    """

    def __init__(self, library: Any, handles: Sequence[Any]) -> None:
        self._nvml, self._handles = library, handles
        self._begun = self._counters()
        self._sum, self._samples = 0.0, 0
        self._ended = threading.Event()
        threading.Thread(target=self._sample, daemon=True).start()

    @classmethod
    def watch(cls, uuids: Sequence[str]) -> Optional["Cards"]:
        """Return the cards, watched from now on; None where there are none, or NVML cannot be asked."""
        if not uuids:
            return None
        try:
            import pynvml
        except ImportError:
            return None
        try:
            pynvml.nvmlInit()
            return cls(pynvml, [pynvml.nvmlDeviceGetHandleByUUID(uuid) for uuid in uuids])
        except pynvml.NVMLError:
            return None

    @property
    def energy_j(self) -> float | None:
        """The joules of all of the cards since they are watched; None where one of them has no counter."""
        now = self._counters()
        return None if now is None or self._begun is None else (now - self._begun) / 1000

    def busy(self) -> float | None:
        """Return the mean share of time, 0 to 1, that a card was busy since the last call; None where none tells."""
        total, samples = self._sum, self._samples
        self._sum, self._samples = 0.0, 0
        return total / samples if samples else None

    def close(self) -> None:
        """End the watch."""
        self._ended.set()

    def _counters(self) -> float | None:
        """Return the sum of the cards' counters, in mJ since the driver was loaded; cards before Volta have none."""
        try:
            return float(sum(self._nvml.nvmlDeviceGetTotalEnergyConsumption(one) for one in self._handles))
        except self._nvml.NVMLError:
            return None

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_EVERY_S):
            for handle in self._handles:
                with suppress(self._nvml.NVMLError):  # as of a part of a card (MIG)
                    self._sum += self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
                    self._samples += 1
