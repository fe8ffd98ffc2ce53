"""Batches on the device that computes, and how long it waits for them."""

import time
from collections import deque
from collections.abc import Iterator

import torch

from sre.training.chunks import Batch
from sre.training.watch import OWN, Doing

AHEAD = 2  # steps that a GPU has before it; then the host waits, so that no more batches lie there


class Feed(Iterator[Batch]):
    """The batches of a loader, whose chunks and draws are on a device.

    On a GPU a stream of its own copies a batch from pinned memory while earlier steps are computed. The host begins a
    step as soon as its batch is there, at most AHEAD before those that the GPU has done.
    """

    def __init__(self, batches: Iterator[Batch], device: torch.device) -> None:
        self.batches, self.device = batches, device
        self.seconds = 0.0
        if device.type == "cuda":
            self.stream = torch.cuda.Stream(device)
            self.steps: deque[torch.cuda.Event] = deque()  # the ends of those that may not be done
            self.gaps: deque[tuple[torch.cuda.Event, torch.cuda.Event]] = deque()  # a step's end, the next one's begin

    def __next__(self) -> Batch:
        return self._on_gpu() if self.device.type == "cuda" else self._on_cpu()

    def waited(self) -> float:
        """Return the seconds that the device was waiting for batches since the last call, as far as they are known.

        On a GPU that is from a step's end to the next one's begin, on its own clock: what the host waits while the GPU
        is at work costs nothing. All are known when the host has waited for the last step.
        """
        while self.device.type == "cuda" and self.gaps and self.gaps[0][1].query():
            end, begin = self.gaps.popleft()
            self.seconds += end.elapsed_time(begin) / 1000
        seconds, self.seconds = self.seconds, 0.0
        return seconds

    def _on_cpu(self) -> Batch:
        asked = time.monotonic()
        batch = next(self.batches)
        self.seconds += time.monotonic() - asked
        return batch

    def _on_gpu(self) -> Batch:
        end = self._event()
        self.steps.append(end)
        if len(self.steps) > AHEAD:
            with OWN.during(Doing.COMPUTES):  # else a GPU that hangs would be told as data that do not come
                self.steps.popleft().synchronize()
        batch, current = next(self.batches), torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self.stream):
            chunks, draws = (part.to(self.device, non_blocking=True) for part in (batch.chunks, batch.draws))
        current.wait_stream(self.stream)
        for part in (chunks, draws):
            part.record_stream(current)  # else its memory could be given away while a step reads it
        self.gaps.append((end, self._event()))
        return batch._replace(chunks=chunks, draws=draws)

    def _event(self) -> torch.cuda.Event:
        """Return an event that is now, in the order of what the GPU has to do."""
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event
