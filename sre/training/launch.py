"""From one command to many ranks: start a process a device, watch them, and end all of them where one has died.

A rank finds its place in the environment, as torchrun tells it. For several machines torchrun itself starts the ranks.
"""

import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch.distributed import TCPStore
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, PContext, SignalException, start_processes

from sre import BrokenOff, SreError
from sre.config.checkpoints import devices, watchdog_s
from sre.machine import cards
from sre.machine.log import say, show
from sre.training import watch
from sre.training.reporting import LOST, NOTES, PARENT, SENTENCE, STACK, STATE, TOLD
from sre.training.summary import card_memory_mib

HOST = "127.0.0.1"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)  # that torch turns into SignalException
END_S = 10  # in which a rank has to end
STACK_S = 2.0  # in which a rank has to print its stack


def number_of(asked: int | str, device: str) -> int:
    """Return how many ranks are to be started for `training.devices` on a device: auto, cpu or cuda.

    all : a rank for each card that is given to this job, one where there is none
    A process that is a rank starts none: the answer is 1.
    """
    if "RANK" in os.environ:
        return 1
    if asked == "all":
        return len(cards.given() if _on_cards(device) else []) or 1
    return int(asked)


def _on_cards(device: str) -> bool:
    return device != "cpu" and torch.backends.cuda.is_built()


def run_in_ranks(module: str, argv: Sequence[str] | None, config: dict, device: str, out: Path) -> bool:
    """Run `python -m module` with these arguments in as many ranks as a model's resolved config asks for.

    Return False, and do nothing, where that is a single one, or where this process is a rank itself.
    argv : None for those of this process
    out : the final.pt that is written; the training before that wrote it tells how much memory a card needs
    """
    if (ranks := number_of(devices(config), device)) == 1:
        return False
    python = [sys.executable, *["-P"] * sys.flags.safe_path]
    arguments = sys.argv[1:] if argv is None else argv
    launch([*python, "-m", module, *arguments], ranks, device, watchdog_s(config), card_memory_mib(out.parent))
    return True


def launch(command: Sequence[str], ranks: int, device: str, hang_s: float, least_mib: float) -> None:
    """Run a command as so many ranks of one training on this machine; return when all have ended.

    hang_s : seconds in which nothing was done, after which all stacks are printed and the ranks are ended; 0: never
    least_mib : free memory that each card must have
    Raises the SreError of a rank, and BrokenOff where a rank was killed or no step ended. Ctrl-C ends the ranks.
    """
    if _on_cards(device):
        cards.take(ranks, least_mib)
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # it tells of each signal that it sends
    store = TCPStore(HOST, 0, is_master=True, wait_for_workers=False)  # where the ranks meet, as long as it lives
    before = {one: signal.getsignal(one) for one in SIGNALS}
    with TemporaryDirectory(prefix="sre-ranks-") as folder:
        places = {rank: _place(rank, ranks, store.port, folder) for rank in range(ranks)}
        program, *arguments = command
        given = dict.fromkeys(places, tuple(arguments))
        started = None
        try:
            started = start_processes("rank", program, given, places, DefaultLogsSpecs(os.devnull))
            _Launched(started, Path(folder)).wait(hang_s)
        except SignalException as end:
            say(watch.stopped(_states(Path(folder))))
            if end.sigval == signal.SIGINT:
                raise KeyboardInterrupt from None
            sys.exit(128 + end.sigval)
        finally:
            if started:
                started.close(signal.SIGKILL, END_S)
            for one, handler in before.items():
                signal.signal(one, handler)


def _place(rank: int, ranks: int, port: int, folder: str) -> dict[str, str]:
    """Return the environment of a rank: its place as torchrun tells it, the store, and who has started it."""
    place: dict[str, object] = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": ranks,
        "LOCAL_WORLD_SIZE": ranks,
        "GROUP_RANK": 0,
    }
    place |= {"MASTER_ADDR": HOST, "MASTER_PORT": port, "TORCHELASTIC_USE_AGENT_STORE": True}
    place |= {"GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo"}  # a host's own name may lead nowhere
    place |= {"TORCH_CPP_LOG_LEVEL": os.environ.get("TORCH_CPP_LOG_LEVEL", "ERROR")}  # DDP advises us in each rank
    return {key: str(value) for key, value in (place | {NOTES: folder, PARENT: os.getpid()}).items()}


def _states(folder: Path) -> dict[int, watch.State]:
    """Return rank -> state, of the ranks that have begun."""
    paths = {_rank(path): path for path in folder.glob(STATE.format("*"))}
    return {rank: watch.read(paths[rank].read_bytes()) for rank in sorted(paths)}


@dataclass
class _Launched:
    """Ranks that were started, whose notes lie in a folder."""

    started: PContext
    folder: Path

    def wait(self, hang_s: float) -> None:
        """Wait until all have ended. Raises the error of the one that began it where one has failed."""
        while (done := self.started.wait(watch.LOOK_EVERY_S, period=0.1)) is None:
            states = _states(self.folder)
            if len(states) == len(self.pids) and watch.is_stalled(states, hang_s):
                self._print_stacks(states)
                raise BrokenOff(self._words_of_stall(states, hang_s))
        if done.failures:
            self._raise({rank: failure.exitcode for rank, failure in done.failures.items()})

    @property
    def pids(self) -> dict[int, int]:
        return self.started.pids()

    def _raise(self, codes: Mapping[int, int]) -> None:
        """Raise the error of the rank that is the cause: one that said nothing, else the one that told its error first.

        The others were ended by this process (SIGTERM), or they have lost the one that is the cause.
        """
        told, lost = (sorted(self.folder.glob(name.format("*")), key=_age) for name in (TOLD, LOST))
        said = {_rank(path) for path in (*told, *lost)}
        silent = [rank for rank, code in codes.items() if code != -signal.SIGTERM and rank not in said]
        if not silent and told:
            kind, _, text = told[0].read_text().partition("\n")
            if kind == SENTENCE:
                raise SreError(text)
            show(f"{self._name(_rank(told[0]))} ended by a fault of the program:\n{text}")
            sys.exit(1)
        rank = (silent or [rank for rank in codes if rank not in said] or list(codes))[0]
        code = codes[rank]
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        if rank in said:
            how = lost[0].read_text()
        raise BrokenOff(f"{self._name(rank)} {how}; {watch.goes_on(_states(self.folder))}")

    def _name(self, rank: int) -> str:
        return f"rank {rank} of {len(self.pids)} (process {self.pids[rank]})"

    def _print_stacks(self, states: Mapping[int, watch.State]) -> None:
        """Have each rank print the stacks of its threads, and show them; first of those that are behind."""
        for pid in self.pids.values():
            os.kill(pid, signal.SIGUSR1)
        time.sleep(STACK_S)
        last = watch.behind(states, self.pids)
        for rank in (*last, *(rank for rank in states if rank not in last)):
            stack = (self.folder / STACK.format(rank)).read_text() or "it does not answer\n"
            show(f"{self._name(rank)}, {states[rank]}:\n{stack}")

    def _words_of_stall(self, states: Mapping[int, watch.State], hang_s: float) -> str:
        last = watch.behind(states, self.pids)
        names = " and ".join(
            f"{self._name(rank)} is {'stopped, ' * watch.is_stopped(self.pids[rank])}{states[rank]}" for rank in last
        )
        others = ", for which the others wait" if len(last) < len(states) else ""
        return f"{watch.nothing_ended(hang_s)}: {names}{others}; {watch.goes_on(states)}"


def _age(path: Path) -> int:
    return path.stat().st_mtime_ns


def _rank(path: Path) -> int:
    return int(path.suffix[1:])
