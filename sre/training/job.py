"""One training: utterances pass the filters -> partition -> Trainer -> the bundle final.pt and its summary."""

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from sre import SreError
from sre.augment.distorter import Distorter
from sre.config.checkpoints import decisive, that_stay, watchdog_s
from sre.features.vector_store import VectorStore
from sre.io.atomic import link, locked
from sre.io.name_tables import Labels
from sre.machine.cores import available_cores
from sre.machine.device import card_uuid, choose_precision, prepare
from sre.machine.environment import environment
from sre.machine.log import say, warn
from sre.machine.nvml import Cards
from sre.models import build, cost
from sre.models.bundle import Bundle
from sre.training import kept
from sre.training.held_out import FIFTH
from sre.training.inputs import Store, check_features, check_lengths, source_of
from sre.training.meter import Spent, mean_over_time, peak
from sre.training.on_vectors import Beside, WatchedList
from sre.training.options import TrainingConfig
from sre.training.phases import Base, classes_of, freeze, make_head
from sre.training.ranks import ALONE, Ranks, joined
from sre.training.schedule import out_of_reach
from sre.training.selection import Selection, select
from sre.training.sources import CACHE_BYTES, Source, middle_chunks
from sre.training.summary import (
    BUNDLE_FILE,
    HISTORY_FILE,
    SUMMARY_FILE,
    TrainingPlan,
    TrainSummary,
    card_memory_mib,
    write_history,
)
from sre.training.sync_norm import synchronise
from sre.training.trainer import Trainer
from sre.training.validation import Partition, partition, speakers_read


def train(
    config: dict,
    stores: Sequence[Store],
    utt2spks: Sequence[Mapping[str, str]],
    out: Path,
    device_name: str,
    distorter: Distorter | None = None,
    originals: Mapping[str, str] = {},
    development: bool = False,
    init: Path | None = None,
    beside: Beside = Beside(),
) -> None:
    """Train the model of a resolved config; resumes what it finds, and writes `out` and train_summary.json beside it.

    Where torchrun has started several processes with the same arguments, they train together, and the first one writes.

    distorter : of augment.distort, with source: audio
    originals : distorted copy -> the utterance that it is a copy of, which is trained on or held out with it
    development : validation.speakers are those of a development list
    init : the final.pt that it starts from, where the config names a model
    beside : of a training on embeddings, what it is given beside them

    Checkpoints live in checkpoints/<hash of config, utterances, speakers, frames, what it starts from>, so that another
    config, training set or start never resumes them. Another number of processes does.
    """
    with joined(device_name, card_memory_mib(out.parent)) as ranks:
        asked = TrainingConfig.of(decisive(config))
        check_features(asked, stores)
        base = Base.read(asked, init)
        if base and base.path.resolve() == out.resolve():
            raise SreError(f"{out}: the training would start from what it writes; name another file for one of the two")
        everyone, held_out = _joined(utt2spks), asked.validation
        originals = {copy: utt for copy, utt in originals.items() if utt in everyone}
        read = speakers_read(asked.filter.speakers, everyone, held_out.speakers, originals, development)
        chosen = select(stores, utt2spks, asked.filter, originals, read)
        with locked(out.parent / ".train.lock") if ranks.is_first else nullcontext():
            begun = time.monotonic()
            parts = partition(chosen.utt2spk, held_out.speakers, held_out.utterances, everyone, originals, development)
            folder = _checkpoints(out.parent, asked, stores, chosen, _what_else(stores, distorter, parts, base, beside))
            spent = Spent.of(folder, begun)
            spent.devices, cards = ranks.size, filter(None, ranks.told_by_all(card_uuid(ranks.device)))
            trainer = make_trainer(asked, stores, chosen, parts, folder, ranks.device, distorter, base, ranks, beside)
            trainer.hang_s = watchdog_s(config)
            _say_what_there_is(parts, held_out.utterances, trainer)
            if ranks.is_first:
                trainer.spent, spent.cards = spent, Cards.watch([*cards])
                spent.keep(now=True)
            if history := ranks.from_first(kept.finished(folder) if ranks.is_first else []):
                say(f"this training is complete; to train again, delete {folder}")
                trainer.history = history
            else:
                _train(asked, trainer, parts.speakers, base, stores[0].config)
            if not ranks.is_first:
                return
            say(f"{out.name} is {kept.words_of(trainer.history, trainer.options, trainer.span)}")
            write_history(out.parent / HISTORY_FILE, trainer.history)
            _summary(asked, chosen, parts, trainer, base, spent).write(out.parent / SUMMARY_FILE)
            spent.keep(now=True)
            link(folder / BUNDLE_FILE, out)  # last: what stands for a finished training
            kept.clear(folder, that_stay(config))


def _joined(utt2spks: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """Return the speakers of all utterances of several data dirs."""
    if len(utt2spks) == 1:
        return utt2spks[0]
    return Labels.of({utt: speaker for table in utt2spks for utt, speaker in table.items()})


def _train(
    asked: TrainingConfig, trainer: Trainer, speakers: list[str], base: Base | None, feature_config: dict
) -> None:
    """Train, and leave the bundle beside the checkpoints, with the history."""
    plan = TrainingPlan(asked.sha256, trainer.span.epochs, trainer.span.epoch, trainer.span.updates)
    if trainer.ranks.is_first:
        plan.write(trainer.folder)
    for sentence in out_of_reach(trainer.span, trainer.options, "margin" in trainer.head.takes):
        warn(sentence)
    trainer.run()
    bundle = _bundle(asked, trainer, speakers, base, feature_config)
    if not trainer.ranks.is_first:
        return
    replace(plan, epochs=len(trainer.history), steps=trainer.step).write(trainer.folder)
    write_history(trainer.folder / HISTORY_FILE, trainer.history)
    bundle.save(trainer.folder / BUNDLE_FILE)


def _bundle(
    asked: TrainingConfig, trainer: Trainer, speakers: list[str], base: Base | None, feature_config: dict
) -> Bundle:
    final = trainer.final()
    return Bundle(
        config=asked.config,
        feature_config=feature_config,
        num_features=trainer.features.num_features,
        network=final.network,
        speakers=speakers,
        head=final.head,
        copies=classes_of(asked, trainer.features, speakers, base),
        init=base.chain if base else [],
        heard=base.heard(speakers) if base else None,
    )


def _what_else(
    stores: Sequence[Store], distorter: Distorter | None, parts: Partition, base: Base | None, beside: Beside
) -> list:
    """Return what a training depends on that neither its config nor its utterances tell."""
    manifests = [manifest for manifest in (distorter.noises, distorter.rooms) if manifest] if distorter else []
    more: list = [[manifest.categories, manifest.seconds] for manifest in manifests]
    more += [[parts.fewer, parts.short]] * bool(parts.fewer or parts.short)
    more += [store.sha256 for store in stores if isinstance(store, VectorStore)]
    return [*more, *([base.sha256] if base else []), *beside.sha256s]


def _checkpoints(
    folder: Path, asked: TrainingConfig, stores: Sequence[Store], chosen: Selection, more: Sequence
) -> Path:
    """Make the folder of this training's checkpoints, and say if there are some of other trainings.

    more : what it depends on beside config and utterances
    """
    folder = folder / "checkpoints"
    own = folder / chosen.sha256(asked.config, stores[0].config, after=more)[:16]
    others = sorted({path.parent.name for path in folder.glob("*/*") if path.parent != own})  # not of a refused start
    if others and not own.exists():
        say(
            f"a new config, training set or start: training from the start in {own};"
            f" older checkpoints stay in {', '.join(others)}"
        )
    own.mkdir(parents=True, exist_ok=True)
    return own


def _say_what_there_is(parts: Partition, utterances: int, trainer: Trainer) -> None:
    say(
        f"{len(parts.speakers)} speakers, {len(parts.train)} utterances to train on, "
        f"{len(parts.valid)} for accuracy, {len(parts.held_out)} of held-out speakers for EER;"
        f" {trainer.device}, {trainer.options.precision}"
    )
    if parts.fewer:
        say(parts.fewer)
    if parts.short:
        say(
            f"{parts.short} of {len(parts.speakers)} speakers have less than {FIFTH * utterances} utterances, and give"
            f" fewer than validation.utterances {utterances}: at most a fifth of theirs is held out"
        )


def _summary(
    asked: TrainingConfig, chosen: Selection, parts: Partition, trainer: Trainer, base: Base | None, spent: Spent
) -> TrainSummary:
    shift = asked.feature_config.get("frame_shift", 10.0)  # features that were given tell none
    spec = cost.Spec(asked.architecture, trainer.features.num_features, asked.network, shift)
    return TrainSummary(
        **asdict(chosen.counts),
        speakers=len(parts.speakers),
        utterances=len(parts.train),
        hours=round(chosen.hours(parts.train, shift), 3),
        held_out_speakers=len({chosen.utt2spk[utt] for utt in parts.held_out}),
        fewer_held_out=parts.fewer,
        parameters=sum(p.numel() for p in trainer.network.parameters()),
        macs_2s=cost.macs(spec, 2),
        utterances_per_s_8s=round(cost.speed(spec), 2),
        epochs=len(trainer.history),
        ended=kept.why_ended(trainer.history, trainer.options, trainer.span),
        final_network=asked.training.final,
        final_epochs=kept.final_epochs(trainer.history, trainer.options, trainer.span),
        seed=asked.training.seed,
        precision=trainer.options.precision,
        **spent.of_summary(),
        peak_memory_mib=peak(trainer.history, "memory_mib"),
        peak_workers_mib=peak(trainer.history, "workers_mib"),
        peak_gpu_mib=peak(trainer.history, "gpu_mib"),
        gpu_busy=mean_over_time(trainer.history, "gpu_busy"),
        reading=trainer.reading.as_dict(),
        config_sha256=asked.sha256,
        config=asked.config,
        init=base.chain if base else None,
        **environment(),
    )


def make_trainer(
    asked: TrainingConfig,
    stores: Sequence[Store],
    chosen: Selection,
    parts: Partition,
    folder: Path,
    device: torch.device,
    distorter: Distorter | None = None,
    base: Base | None = None,
    ranks: Ranks = ALONE,
    beside: Beside = Beside(),
) -> Trainer:
    """Return the trainer of a config and its data, with `folder` for its checkpoints, before its first step.

    Raises SreError if chunks are too short for the network, or if it cannot start from the base.
    """
    prepare(device, ranks.share_of(available_cores()), asked.training.deterministic)
    options = replace(asked.training, precision=choose_precision(asked.training.precision, device))

    def source(utts: Sequence[str], training: bool) -> Source:
        room = ranks.share_of(CACHE_BYTES)
        return source_of(asked, stores, chosen.of(utts), training, device, distorter, room)

    def labels(utts: Sequence[str]) -> torch.Tensor:
        return torch.from_numpy(chosen.classes(utts, parts.speakers))

    def chunks(utts: Sequence[str]) -> torch.Tensor:
        frames, own = asked.validation.frames, utts[ranks.slice_of(len(utts))]
        if not own:  # of fewer chunks than ranks
            return torch.zeros(0, frames, train_features.num_features, device=device)
        return middle_chunks(source(own, training=False), frames).to(device)

    torch.manual_seed(options.seed)  # the weights' initial values
    train_features = source(parts.train, training=True)
    network = build(asked.architecture, train_features.num_features, asked.network)
    if base:
        base.start_network(network, asked, stores[0].config)
    if options.sync_batch_norm:
        synchronise(network, ranks)
    check_lengths(network, train_features.num_features, asked)
    head = make_head(asked, network.embedding_dim, train_features, parts.speakers, base, ranks)
    beside.prepare(asked, train_features, head, labels(parts.train), parts.speakers, device)
    held_out = np.array([chosen.utt2spk[utt] for utt in parts.held_out])
    return Trainer(
        network=network,
        head=head,
        features=train_features,
        labels=labels(parts.train),
        options=options,
        device=device,
        folder=folder,
        valid=(chunks(parts.valid), labels(parts.valid).to(device)) if parts.valid else None,
        held_out=(chunks(parts.held_out), held_out) if parts.held_out else None,
        frozen=freeze(network, head, asked.freeze),
        ranks=ranks,
        lists=[WatchedList.read(files) for files in beside.lists],
    )
