"""What several commands share: where features stand, how a config argument is read."""

import argparse
import json
from pathlib import Path

import numpy as np

from sre import SreError
from sre.backends import Backend
from sre.backends.norm import Cohort, CohortEmbeddings
from sre.config import Schema, default_top_n, read_yaml, resolve_features, resolve_model
from sre.io.ark import read_vectors
from sre.io.tables import read_table
from sre.io.trials import Trials, read_enroll_map
from sre.scoring import Evaluation

DEFAULT_FEATURES = {
    "fbank": {"num_mel_bins": 80},
    "mfcc": {"num_mel_bins": 30, "num_ceps": 30, "high_freq": 7600, "snip_edges": False, "cmn": "sliding"},
}
RECIPES = Path(__file__).resolve().parents[1] / "recipes"


def schema() -> Schema:
    return Schema(RECIPES / "config.schema.yaml")


def find_feats(data_dir: Path, features: str | None) -> Path:
    """feats.scp of a data dir: made by the feats stage under the features' name, or its own."""
    candidates = [data_dir / "feats.scp"]
    if features:
        candidates.insert(0, data_dir / "feats" / features / "feats.scp")
    for path in candidates:
        if path.is_file():
            return path
    raise SreError(
        f"{data_dir}: no features; looked for {' and '.join(map(str, candidates))}: make them, or give --feats"
    )


def model_config(argument: str, seed: int = 1) -> dict:
    """A model's resolved config: JSON text as Snakemake passes it, or a YAML of recipes/<recipe>/models."""
    if argument.lstrip().startswith("{"):
        return json.loads(argument)
    path = Path(argument)
    recipe = path.parent.parent / "config.yaml"
    if not recipe.is_file():
        raise SreError(f"{path}: no {recipe} with the features that it names; put it into recipes/<recipe>/models")
    settings = read_yaml(recipe)
    features, rate = settings.get("features", {}), settings.get("audio", {}).get("sample_rate", 16000)
    checker = schema()
    resolved = {name: resolve_features(checker, part, rate, f"{recipe}: {name}") for name, part in features.items()}
    return resolve_model(checker, path, resolved, seed)


def parse_shard(text: str) -> tuple[int, int]:
    """'2/8' -> (2, 8)."""
    number, _, of = text.partition("/")
    if not (number.isdigit() and of.isdigit() and 1 <= int(number) <= int(of)):
        raise SreError(f"--shard {text}: write K/N with K from 1 to N")
    return int(number), int(of)


def shard_of(utts: list[str], shard: tuple[int, int] | None) -> list[str]:
    """The K-th of N contiguous parts of a sorted list; parts differ in size by one at most."""
    if shard is None:
        return utts
    number, of = shard
    return utts[(number - 1) * len(utts) // of : number * len(utts) // of]


def feature_config(kind: str, argument: str | None, sample_rate: int) -> dict:
    """A resolved feature config: JSON text, a YAML of options, or the defaults of make_fbank and make_mfcc."""
    if argument and argument.lstrip().startswith("{"):
        return json.loads(argument)
    options = read_yaml(argument) if argument else DEFAULT_FEATURES[kind]
    return resolve_features(schema(), {"type": kind, **options}, sample_rate, argument or kind)


def audio_config(argument: str | None) -> dict:
    given = json.loads(argument) if argument else {}
    return schema().check(given, "audio", "properties", "audio")


def vad_config(argument: str | None) -> dict:
    given = (
        json.loads(argument) if (argument or "").lstrip().startswith("{") else read_yaml(argument) if argument else {}
    )
    return schema().check(given, argument or "vad", "$defs", "features", "properties", "vad")


def read_embeddings(paths: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of several scps or arks as one: sorted (N,) ids and (N, D) float32; the same id twice is an error."""
    parts = [read_vectors(path) for path in dict.fromkeys(paths)]
    if len(parts) == 1:
        return parts[0]
    if len({matrix.shape[1] for _, matrix in parts}) > 1:
        raise SreError(f"{', '.join(map(str, paths))}: embeddings of unequal dimensions; these are of several models")
    ids, matrix = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    order = np.argsort(ids, kind="stable")
    ids, matrix = ids[order], matrix[order]
    twice = ids[1:] == ids[:-1]
    if twice.any():
        raise SreError(f"{paths[0]}: embedding '{ids[1:][twice][0]}' is in two of the given files; give one of them")
    return ids, matrix


def speakers_of(ids: np.ndarray, utt2spk: dict[str, str], source: Path) -> np.ndarray:
    missing = [utt for utt in ids if utt not in utt2spk]
    if missing:
        raise SreError(f"{source}: {len(missing)} embeddings have no speaker, e.g. {missing[0]}; give their utt2spk")
    return np.array([utt2spk[utt] for utt in ids])


def add_evaluation_options(parser: argparse.ArgumentParser) -> None:
    """Options of what scores or normalises a list: embeddings, enrolment map, speakers."""
    parser.add_argument(
        "--embeddings", action="append", required=True, type=Path, help="of enrolment and test, scp or ark"
    )
    parser.add_argument("--enroll-map", type=Path, help="model utt1 utt2 …; without it a model is an utterance")
    parser.add_argument("--utt2spk", type=Path, help="of the trials: their speakers are left out of their cohorts")


def add_cohort_options(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument("--cohort", type=Path, required=required, help="embeddings of the cohort")
    parser.add_argument("--cohort-utt2spk", type=Path, help="with it the cohort is the mean of each speaker")
    parser.add_argument("--cohort-of", choices=["speakers", "utterances"], default="speakers")
    parser.add_argument("--cohort-size", type=int, default=0, help="so many, drawn by --cohort-seed; 0: all")
    parser.add_argument("--cohort-seed", type=int, default=1)
    parser.add_argument("--top-n", type=int, help="nearest of the cohort, 0: all; default 300 for asnorm, else all")


def cohort_of(args: argparse.Namespace, backend: Backend) -> Cohort:
    chosen = CohortEmbeddings.choose(
        *training_of(args.cohort, args.cohort_utt2spk), args.cohort_of, args.cohort_size, args.cohort_seed
    )
    return Cohort.of(backend, chosen)


def top_n_of(args: argparse.Namespace, method: str) -> int:
    return default_top_n(method) if args.top_n is None else args.top_n


def training_of(path: Path, utt2spk: Path | None) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Ids and embeddings that a cohort is chosen from and, with utt2spk, their speakers."""
    ids, embeddings = read_embeddings([path])
    return ids, embeddings, speakers_of(ids, read_table(utt2spk), utt2spk) if utt2spk else None


def evaluation_of(
    trials: Trials, enroll_map: Path | None, embeddings: list[Path], utt2spk: Path | None = None
) -> Evaluation:
    speakers = read_table(utt2spk) if utt2spk else None
    return Evaluation.of(trials, read_enroll_map(enroll_map, trials), *read_embeddings(embeddings), speakers)
