"""One training: utterances through the filters -> partition -> Trainer -> the bundle final.pt and its summary."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from sre import SreError
from sre.datadir.missing import check_promised
from sre.features.store import FeatureStore
from sre.features.types import FEATURE_TYPES, GIVEN, FbankOptions, options_of
from sre.io.atomic import locked, sha256_text
from sre.io.text import canonical
from sre.losses import build_head
from sre.machine.cores import available_cores
from sre.machine.device import choose_device, choose_precision, prepare
from sre.machine.environment import environment
from sre.machine.log import say
from sre.models import build, cost
from sre.models.bundle import Bundle
from sre.training.augment import Augmentation
from sre.training.chunks import Features
from sre.training.summary import HISTORY_FILE, SUMMARY_FILE, TrainingPlan, TrainSummary, write_history
from sre.training.trainer import Trainer, TrainingOptions, middle_chunks
from sre.training.validation import Partition, partition


def select(
    stores: Sequence[FeatureStore], utt2spks: Sequence[Mapping[str, str]], min_frames: int, min_utterances: int
) -> tuple[dict[str, str], dict[str, int], dict[str, int]]:
    """Filter the utterances of several data dirs: utt2spk, utterance -> its store, and counts of what was left out."""
    utt2spk: dict[str, str] = {}
    source: dict[str, int] = {}
    counts = {"utterances_found": sum(map(len, utt2spks)), "dropped_without_features": 0, "dropped_short": 0}
    for number, (store, table) in enumerate(zip(stores, utt2spks, strict=True)):
        check_promised(store.scp, "its utt2spk", table, store.places, store.scp.parent)
        for utt, speaker in table.items():
            if utt in utt2spk:
                raise SreError(f"utterance '{utt}' is in two of the training data dirs; rename it in one")
            if utt not in store.places:
                counts["dropped_without_features"] += 1
            elif store.num_frames[utt] < min_frames:
                counts["dropped_short"] += 1
            else:
                utt2spk[utt], source[utt] = speaker, number
    of_speaker = Counter(utt2spk.values())
    kept = {utt: speaker for utt, speaker in utt2spk.items() if of_speaker[speaker] >= min_utterances}
    counts["dropped_of_rare_speakers"] = len(utt2spk) - len(kept)
    counts["rare_speakers"] = len(of_speaker) - len(set(kept.values()))
    dropped = [f"{name.replace('_', ' ')} {count}" for name, count in counts.items() if count]
    say("training set: " + ", ".join(dropped))
    if not kept:
        raise SreError(
            f"{stores[0].scp}: no training utterance is left after the filters ({', '.join(dropped)}); add data, or"
            f" lower the model's filter.min_frames ({min_frames}) or filter.min_utterances ({min_utterances})"
        )
    return kept, source, counts


def train(
    config: dict, stores: Sequence[FeatureStore], utt2spks: Sequence[Mapping[str, str]], out: Path, device_name: str
) -> None:
    """Train the model of a resolved config; resumes what it finds, and writes `out` and train_summary.json beside it.

    Checkpoints live in checkpoints/<hash of config, utterances, speakers, frames>, so that another config or
    training set never resumes them.
    """
    _check_features(config, stores)
    kept, source, counts = select(stores, utt2spks, **config["filter"])
    contents = sorted((utt, speaker, stores[source[utt]].num_frames[utt]) for utt, speaker in kept.items())
    key = sha256_text(canonical([config, stores[0].config, contents]))[:16]
    folder = out.parent / "checkpoints" / key
    with locked(out.parent / ".train.lock"):
        others = sorted(path.name for path in folder.parent.glob("*") if path.name != key)
        if others and not folder.exists():
            say(
                f"a new config or training set: training from the start in {folder};"
                f" older checkpoints stay in {', '.join(others)}"
            )
        folder.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        everyone = {utt: speaker for table in utt2spks for utt, speaker in table.items()}
        held_out = config["validation"]
        parts = partition(kept, held_out["speakers"], held_out["utterances"], everyone=everyone)
        trainer = make_trainer(config, stores, kept, source, parts, folder, choose_device(device_name))
        say(
            f"{len(parts.speakers)} speakers, {len(parts.train)} utterances to train on, "
            f"{len(parts.valid)} for accuracy, {len(parts.held_out)} of held-out speakers for EER;"
            f" {trainer.device}, {trainer.options.precision}"
        )
        digest, epochs = sha256_text(canonical(config)), trainer.options.epochs
        TrainingPlan(digest, epochs, trainer.batches.steps_per_epoch).write(folder)
        trainer.run()
        network = trainer.averaged()
        bundle = Bundle(config, stores[0].config, trainer.features.num_features, network, parts.speakers)
        write_history(out.parent / HISTORY_FILE, trainer.history)
        shift = config["feature_config"].get("frame_shift", 10.0)  # features that were given tell none
        spec = cost.Spec(config["architecture"], trainer.features.num_features, config["options"], shift)
        TrainSummary(
            **counts,
            speakers=len(parts.speakers),
            utterances=len(parts.train),
            held_out_speakers=len({kept[utt] for utt in parts.held_out}),
            parameters=sum(p.numel() for p in trainer.network.parameters()),
            macs_2s=cost.macs(spec, 2),
            utterances_per_s_8s=round(cost.speed(spec), 2),
            epochs=config["training"]["epochs"],
            seed=config["seed"],
            precision=trainer.options.precision,
            training_s=round(sum(row["seconds"] for row in trainer.history), 1),
            this_run_s=round(time.monotonic() - begun, 1),
            config_sha256=digest,
            config=config,
            **environment(),
        ).write(out.parent / SUMMARY_FILE)
        bundle.save(out)  # last: what stands for a finished training


def make_trainer(
    config: dict,
    stores: Sequence[FeatureStore],
    utt2spk: Mapping[str, str],
    source: Mapping[str, int],
    parts: Partition,
    folder: Path,
    device: torch.device,
) -> Trainer:
    training, loss = config["training"], config["loss"]
    prepare(device, available_cores())
    options = TrainingOptions(
        **{**training, "precision": choose_precision(training["precision"], device)},
        margin=loss["margin"],
        margin_epochs=tuple(loss["margin_epochs"]),
        valid_frames=config["validation"]["frames"],
        seed=config["seed"],
    )
    index = {speaker: number for number, speaker in enumerate(parts.speakers)}
    in_use = stores[0].config.get("cmn") == "utterance" and stores[0].vad is None  # a VAD drops frames after CMN
    zero_mean = options.chunk_cmn and in_use

    def features(utts: list[str], augmentation: Augmentation) -> Features:
        return Features(stores, [(source[utt], utt) for utt in utts], augmentation)

    def labels(utts: list[str]) -> torch.Tensor:
        return torch.tensor([index[utt2spk[utt]] for utt in utts])

    def chunks(utts: list[str]) -> torch.Tensor:
        return middle_chunks(features(utts, Augmentation(zero_mean=zero_mean)), options.valid_frames).to(device)

    torch.manual_seed(options.seed)  # the weights' initial values
    augmentation = Augmentation(**config["augment"], **_mel_range(config["feature_config"]), zero_mean=zero_mean)
    train_features = features(parts.train, augmentation)
    network = build(config["architecture"], train_features.num_features, config["options"])
    _check_lengths(network, train_features.num_features, config)
    head = build_head(
        network.embedding_dim, augmentation.copies * len(parts.speakers), loss["type"], loss["scale"], **loss["options"]
    )
    return Trainer(
        network=network,
        head=head,
        features=train_features,
        labels=labels(parts.train),
        options=options,
        device=device,
        folder=folder,
        valid=(chunks(parts.valid), labels(parts.valid).to(device)) if parts.valid else None,
        held_out=(chunks(parts.held_out), np.array([utt2spk[utt] for utt in parts.held_out]))
        if parts.held_out
        else None,
    )


def _mel_range(feature_config: dict) -> dict[str, float]:
    options = options_of(feature_config) if feature_config["type"] in FEATURE_TYPES else None
    return {"low_freq": options.low_freq, "high_freq": options.highest} if isinstance(options, FbankOptions) else {}


def _check_lengths(network: torch.nn.Module, num_features: int, config: dict) -> None:
    """Raises SreError where chunks of training or validation are too short for the network's convolutions."""
    lengths = {
        "training.chunk_frames": config["training"]["chunk_frames"][0],
        "validation.frames": config["validation"]["frames"],
    }
    network.eval()
    for name, frames in lengths.items():
        try:
            with torch.inference_mode():
                network(torch.zeros(1, frames, num_features))
        except RuntimeError as error:
            raise SreError(
                f"{config['architecture']} takes no chunks of {frames} frames ({error}); raise {name}"
            ) from None


def _check_features(config: dict, stores: Sequence[FeatureStore]) -> None:
    for store in stores:
        if store.config != stores[0].config:
            raise SreError(
                f"{store.scp}: its features were made with another config than {stores[0].scp}; make them alike"
            )
        given = store.config["type"] == GIVEN
        if not given and store.config != config.get("feature_config", store.config):
            raise SreError(
                f"{store.scp}: its features were made with another config than '{config['features']}'; make them again"
            )
