"""The training loop, top to bottom: batches -> loss -> step -> validation and checkpoint at each epoch's end."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sre import SreError
from sre.config.training_checks import looked_at
from sre.losses.base import Head
from sre.machine import memory
from sre.machine.cores import available_cores
from sre.machine.device import memory_format, peak_memory_mib
from sre.machine.log import Progress, say, warn
from sre.models.base import Network
from sre.training import checkpoint, kept, schedule, shards
from sre.training.advice import on_waiting
from sre.training.chunks import OwnRows, make_loader, read, reading_of
from sre.training.compiling import compiled
from sre.training.feeding import Feed
from sre.training.judge import Judge
from sre.training.meter import NO_SUMS, Spent, line_of, means, seconds_of
from sre.training.on_vectors import WatchedList
from sre.training.optimizers import build_optimizer, trained
from sre.training.options import TrainingOptions
from sre.training.ranks import ALONE, Ranks
from sre.training.samplers import batches_of
from sre.training.schedule import Span
from sre.training.sources import Source
from sre.training.summary import HISTORY_FILE, Epoch, write_history
from sre.training.update import Update
from sre.training.watch import OWN, Doing, stopped, watched

CHECKPOINT_MINUTES = 10  # at most so long between checkpoints; there is one at each epoch's end
CONSTRAIN_EVERY = 4  # steps, of networks that keep matrices semi-orthogonal (Kaldi's rate)
NUM_WORKERS = min(16, available_cores())  # reading processes, where features do not fit into memory, or for a GPU


@dataclass
class Trainer:
    """The training of `network` and `head` on `features`; all that is not a function of the step is in its checkpoints.

    labels : (N,) int64 class of each training utterance
    valid, held_out, lists : as of a Judge
    frozen : parts of the network that stay as they are, whose weights take no gradient
    hang_s : seconds in which nothing is done, after which the training is broken off; 0: never
    """

    network: Network
    head: Head
    features: Source
    labels: Tensor
    options: TrainingOptions
    device: torch.device
    folder: Path
    valid: tuple[Tensor, Tensor] | None = None
    held_out: tuple[Tensor, np.ndarray] | None = None
    spent: Spent | None = None
    frozen: Sequence[nn.Module] = ()
    ranks: Ranks = ALONE
    lists: Sequence[WatchedList] = ()
    hang_s: float = 0
    step: int = 0
    history: list[Epoch] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=lambda: dict(NO_SUMS))

    def __post_init__(self) -> None:
        o = self.options
        torch.manual_seed(o.seed)
        self.network.to(self.device).to(memory_format=memory_format(self.network))
        self.head.to(self.device)
        self.num_speakers = int(self.labels.max()) + 1
        self.optimizer = build_optimizer(o, self.network, self.head)
        parameters = trained(self.network, self.head)
        self.update = Update(
            self.network, self.head, self.optimizer, parameters, o, self.device, self.frozen, self.ranks
        )
        if o.compile:
            self.update.module.compiled = compiled(self.network, self.device, o.chunk_frames, o.deterministic)
        features = self.features
        self.batches = batches_of(o, self.labels.numpy(), features.augmentation.num_draws, features.sessions)
        self.span = Span.of(o, self.batches.steps_per_epoch)
        self.judge = Judge(self.network, self.head, o, self.device, self.valid, self.held_out, self.ranks, self.lists)
        self._check()
        self.average = kept.MovingAverage([self.network, self.head], o.ema) if o.final == "ema" else None
        self.left_out = 0  # distortions of this epoch, in this process, that could not be applied
        self.num_workers = min(NUM_WORKERS, self.ranks.share_of(available_cores()))
        self.reading, self.advised = reading_of(self.features, self.num_workers, self.device), False

    def _check(self) -> None:
        """Raise SreError where the options do not go with the number of updates, or with what is held out."""
        o = self.options
        for key, column in looked_at(o.final, o.patience, o.monitor, o.schedule.type).items():
            if why := self.judge.lacks(column):
                raise SreError(f"{key} looks at {column}: {why}")
        size, ranks = self.batches.chunks, self.ranks.size
        if ranks > 1 and size // o.accumulate < 2 * ranks:
            raise SreError(
                f"a batch of {size} chunks, computed in training.accumulate {o.accumulate} parts, leaves fewer than 2"
                f" chunks of a part for some of {ranks} processes; take fewer devices, or raise training.batch_size"
            )
        if o.accumulate > 1 and (self.batches.chunks % o.accumulate or self.batches.chunks < 2 * o.accumulate):
            raise SreError(
                f"training.accumulate {o.accumulate} does not divide the {self.batches.chunks} chunks of a batch, which"
                " are all that there are, into equal parts of 2 or more; lower it"
            )
        if o.steps and o.patience >= max(1, self.span.epochs - 1):
            raise SreError(
                f"training.patience {o.patience} would do nothing, as training.steps {o.steps} are"
                f" {self.span.epochs} epochs; lower it"
            )

    @property
    def is_over(self) -> bool:
        """Whether the last epoch is done, or what is looked at no longer falls."""
        return self.step >= self.span.updates or kept.has_converged(self.history, self.options)

    def run(self) -> None:
        """Train from where the newest checkpoint stands to the last epoch, or until patience ends."""
        if state := self.ranks.from_first(checkpoint.newest(self.folder) if self.ranks.is_first else None):
            try:
                self._restore(state)
            except torch.OutOfMemoryError:
                raise  # of a GPU, and no fault of the checkpoint
            except (KeyError, TypeError, ValueError, RuntimeError) as error:
                reason = " ".join(str(error).split())[:200]
                raise SreError(
                    f"{self.folder}: its newest checkpoint is not of this training ({reason}); delete it"
                ) from None
            if self.is_over:
                say(f"this training is complete; to train again, delete {self.folder}")
                return
        self.batches.first_step = self.step
        size, o = self.batches.chunks, self.options
        progress = Progress("train", self.span.updates * size, "utt", self.step * size, at_most=o.patience > 0)
        try:
            with watched(self.hang_s, self.step, self.span.updates):
                self._all_steps(progress)
        except KeyboardInterrupt:
            say(stopped({0: OWN.state}))
            raise
        finally:
            if self.spent:
                self.spent.keep(now=True)
        progress.close()
        if why := kept.why_ended(self.history, self.options, self.span):
            say(why)

    def _all_steps(self, progress: Progress) -> None:
        saved = begun = time.monotonic()
        own = OwnRows(self.batches, self.ranks, self.options.accumulate)
        feed = Feed(read(make_loader(self.features, own, self.num_workers, self.device)), self.device)
        for batch in feed:
            OWN.note(Doing.COMPUTES)
            indices, copies = own.next_whole(self.features.augmentation.copy_of)
            self._one_step(indices, copies, self.features.prepared(batch.chunks, batch.draws))
            OWN.ended(self.step)
            self.left_out += batch.left_out
            self.sums["waited"] += feed.waited()
            self.sums["seconds"] += time.monotonic() - begun
            share = self.sums["waited"] / self.sums["seconds"]
            progress.add(self.batches.chunks, f"epoch {self.span.number(self.step)}, data wait {100 * share:.0f} %")
            if self.span.ends(self.step):
                with OWN.during(Doing.JUDGES):
                    self._end_epoch()
            if self.spent:
                self.spent.keep()
            begun = time.monotonic()
            looked = not self.update.told
            if self.span.ends(self.step) or looked and self.ranks.from_first(begun - saved > 60 * CHECKPOINT_MINUTES):
                with OWN.during(Doing.SAVES):
                    self._save()
                saved = time.monotonic()
            if self.span.ends(self.step) and self.is_over:
                break

    def _one_step(self, indices: Tensor, copies: Tensor, chunks: Tensor) -> None:
        """Learn from a batch.

        indices, copies : (B,) of the batch of all ranks
        chunks : (b, T, F) of this rank's part
        """
        rate = schedule.learning_rate(self.step, self.span, self.options, self.history)
        margin = schedule.margin(self.step, self.span, self.options) if "margin" in self.head.takes else 0.0
        labels = self.labels[indices] + self.num_speakers * copies  # a changed speed is another speaker
        constrain = self.step % CONSTRAIN_EVERY == 0
        done = self.update(chunks, labels, rate, margin, constrain, self.step, indices)
        if self.average and done:
            self.average.add()
        self.step += 1
        if self.update.is_due or self.span.ends(self.step):
            self._look()

    def _look(self) -> None:
        """Add what the updates since the last look told; waits for a GPU."""
        for done in self.update.outcomes():
            self.sums["loss"] += done.loss
            self.sums["right"] += done.right
            self.sums["chunks"] += done.chunks
            self.sums["bad"] += not (done.finite or done.overflowed)
            self.sums["good"] += done.finite
            self.sums["norm"] += done.norm
            self.sums["overflows"] += done.overflowed
            self.update.count_bad(done, self.features.utts)

    def _end_epoch(self) -> None:
        begun = time.monotonic()
        self.ranks.give([*self.network.buffers()])  # running statistics of batch norms
        with self.average.in_place() if self.average else nullcontext():
            judged = self.judge()
        row: Epoch = {
            "epoch": self.span.number(self.step),
            "step": self.step,
            **means(self.sums),
            **judged,
            **({"overflowed_steps": self.sums["overflows"]} if self.update.scaler.is_enabled() else {}),
            "lr": self.optimizer.param_groups[0]["lr"],
            "margin": self.head.margin,
            "validation_s": time.monotonic() - begun,
            "memory_mib": memory.own_peak_mib(),
            "workers_mib": memory.children_mib(),
            "gpu_mib": peak_memory_mib(self.device),
        }
        row = self.ranks.from_first(row | (self.spent.of_epoch() if self.spent else {}))
        self.history.append(row)
        self.sums = dict(NO_SUMS)
        say(line_of(row, self.span.epochs))
        self._advise(row)
        if left_out := int(self.ranks.summed(torch.tensor(self.left_out, device=self.device))):
            warn(f"{left_out} distortions were left out, as the chunk or what was drawn for it is silent")
        self.left_out = 0

    def _advise(self, row: Epoch) -> None:
        """Say once what to do where a run waits for data. The first epoch reads what later ones have in memory."""
        advice = on_waiting(row["data_wait"], row["utt_per_s"], self.reading) if len(self.history) > 1 else None
        if advice and not self.advised:
            warn(advice)
        self.advised = self.advised or bool(advice)

    def _save(self) -> None:
        self._look()
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "head": self.head.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "gpu_rng": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,  # of dropout
            "history": self.history,
            "sums": self.sums,
            "scaler": self.update.scaler.state_dict(),  # of fp16, else empty
        }
        if self.average:
            state["average"] = self.average.state_dict()
        state = shards.of_all(state, self.network, self.head, self.optimizer)
        if not self.ranks.is_first:
            return
        checkpoint.save(kept.path_of(self.folder, self.step), state)
        write_history(self.folder.parent.parent / HISTORY_FILE, self.history)
        OWN.saved = self.step
        kept.tidy(self.folder, kept.final_epochs(self.history, self.options, self.span), self.span)

    def _restore(self, state: dict) -> None:
        state = shards.of_rank(state, self.network, self.head, self.optimizer)
        self.network.load_state_dict(state["network"])
        self.head.load_state_dict(state["head"])
        for group in state["optimizer"]["param_groups"]:
            if "fused" in group:  # a checkpoint of before says that it is not, and its other values are the same
                group["fused"] = self.optimizer.defaults["fused"]
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average:
            self.average.load_state_dict(state["average"])
        torch.set_rng_state(state["rng"])
        if self.device.type == "cuda" and state.get("gpu_rng") is not None:
            torch.cuda.set_rng_state(state["gpu_rng"], self.device)
        if self.update.scaler.is_enabled():
            self.update.scaler.load_state_dict(state["scaler"])
        self.step, self.history, self.sums = state["step"], state["history"], NO_SUMS | state["sums"]
        if self.spent:
            self.spent.resumed(self.sums["seconds"] + seconds_of(self.history))

    def final(self) -> kept.States:
        """Return on the first rank the weights of what `training.final` asks for; all ask for it together."""
        if self.average:
            with self.average.in_place():
                states = self.network.state_dict(), shards.head_of_all(self.head)
                return kept.States(*map(kept.copy_of, states))
        if not self.ranks.is_first:
            return kept.States({}, {})
        epochs = kept.final_epochs(self.history, self.options, self.span)
        return kept.mean_of(self.folder, epochs, self.span)
