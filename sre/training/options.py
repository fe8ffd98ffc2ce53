"""What a training is asked for: a model's resolved config, typed. Only steps.train_embedding reads its dict too."""

from dataclasses import dataclass
from typing import Any, Self

from sre.io.atomic import sha256_text
from sre.io.forms import built
from sre.io.text import canonical


@dataclass(frozen=True)
class SpeakerPart:
    """A part of the speakers, the `part`-th of as many as `of`, drawn by the seed."""

    part: int
    of: int
    seed: int = 1


@dataclass(frozen=True)
class Filter:
    """What is left out: utterances of fewer frames, then speakers of fewer utterances; and those of another part."""

    min_frames: int
    min_utterances: int
    speakers: SpeakerPart | None = None


@dataclass(frozen=True)
class Loss:
    """The name of a loss, and what it is built with; its margin is in TrainingOptions, for the trainer schedules it."""

    type: str
    options: dict[str, Any]
    scale: float
    sampled: float = 1.0
    sharded: bool = False


@dataclass(frozen=True)
class Validation:
    """The number of held-out speakers, and of utterances of each other speaker; the frames of their chunks.

    lists : the EER of trial lists is told too
    """

    speakers: int
    utterances: int
    frames: int
    lists: bool = False


@dataclass(frozen=True)
class ScheduleOptions:
    """The keys of `training.schedule`. Of half_cycle (updates) and half_cycle_epochs one is not 0, if it is cyclic."""

    type: str = "exponential"
    factor: float = 1.0
    every: int = 1
    patience: int = 0
    half_cycle: int = 0
    half_cycle_epochs: float = 0.0


@dataclass(frozen=True)
class TrainingOptions:
    """The keys of `training:` in a model's YAML (see recipes/config.schema.yaml), plus margin, its schedule and seed.

    epochs, steps : one of them is not 0
    interval : updates in an epoch; 0: those of a pass
    """

    batch_size: int
    chunks_per_speaker: int
    chunk_frames: tuple[int, int]
    chunk_cmn: bool
    optimizer: str
    lr: float
    final_lr: float
    warmup_epochs: float
    weight_decay: float
    momentum: float
    clip_norm: float
    average_last: int
    precision: str
    margin: float
    margin_epochs: tuple[float, float]
    seed: int
    epochs: int = 0
    steps: int = 0
    interval: int = 0
    margin_schedule: str = "exponential"
    schedule: ScheduleOptions = ScheduleOptions()
    monitor: str = "valid_loss"
    betas: tuple[float, float] | None = None
    no_decay: tuple[str, ...] = ()
    ema: float = 0.0
    final: str = "average"
    patience: int = 0
    sampler: str = "utterances"
    utterances_per_speaker: int = 0
    accumulate: int = 1
    compile: bool = False
    deterministic: bool = True
    sync_batch_norm: bool = False


@dataclass(frozen=True)
class TrainingConfig:
    """A model's resolved config.

    config : the whole, as it is hashed and written
    network : keyword arguments of the architecture's class
    features, feature_config : name of the features in the recipe, and their resolved config
    augment : fields of `sre.training.augment.Augmentation`
    init, head, freeze : what it starts from, with which weights of the loss, and which parts stay as they are
    """

    config: dict[str, Any]
    architecture: str
    network: dict[str, Any]
    feature_config: dict[str, Any]
    augment: dict[str, Any]
    filter: Filter
    loss: Loss
    validation: Validation
    training: TrainingOptions
    features: str | None = None
    init: str | None = None
    head: str = "by_speaker"
    freeze: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: dict[str, Any]) -> Self:
        """Return a config that `sre.config.resolve.resolve_model` gave, section by section."""
        loss = config["loss"]
        more = {key: loss[key] for key in ("margin", "margin_epochs", "margin_schedule") if key in loss}
        more["seed"] = config["seed"]
        parts = {"config": config, "network": config["options"], "training": config["training"] | more}
        if config.get("source") == "embeddings":  # a vector is one frame
            parts["training"] = {**parts["training"], "chunk_frames": [1, 1]}
            parts["validation"] = config["validation"] | {"frames": 1}
            parts["filter"] = config["filter"] | {"min_frames": 1}
        return built(cls, config | parts)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the config, by which a finished training is known to be of it."""
        return sha256_text(canonical(self.config))
