"""Who errs: conditions, worst speakers and confusing pairs of each evaluation list's reference; its errors as CSV."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from sre.io.atomic import atomic_output
from sre.report.numbers import plain
from sre.report.ranking import Standing
from sre.scoring.analysis import Analysis, analyse
from sre.scoring.described import ErrorRow

CONDITIONS = ["condition", "speakers", "targets", "nontargets", "EER, %", "95 % interval", "P_miss, %", "P_fa, %"]
SPEAKERS = ["speaker", "targets", "P_miss, %", "nontargets", "P_fa, %"]
UTTERANCES = ["utterance", "speaker", "targets", "P_miss, %", "nontargets", "P_fa, %", "file"]
PAIRS = ["kind", "enrol", "test", "score", "enrol files", "test file"]
MANY_TRIALS, FEWER_DRAWS = 100_000, 200  # of so many trials each condition has fewer draws than the table of systems


@dataclass(frozen=True)
class Errors:
    """The errors of one system on one evaluation list.

    system : whose they are, in words
    folder : of the tables, relative to the report's
    """

    trials: str
    system: str
    folder: str
    analysis: Analysis


def write_errors(folder: Path, ranked: Mapping[str, Sequence[Standing]]) -> list[Errors]:
    """Write folder/<list>/ of the reference's first seed, where the data directory that its metrics name is there."""
    found = []
    for trials, standings in ranked.items():
        row = next((one.group.done[0] for one in standings if one.reference and one.group.done), None)
        if row is None or row.development or row.data is None or not (row.data / "utt2spk").is_file():
            continue
        draws, seed = row.drawn
        draws = draws if sum(row.outcome.trials) <= MANY_TRIALS else min(draws, FEWER_DRAWS)
        analysis = analyse(row.scores, row.trials_file, row.enroll_map, row.data, draws=draws, seed=seed)
        write_analysis(folder / row.trials, analysis)
        found.append(
            Errors(trials, f"{row.run} {row.system}, seed {row.seed}", f"{folder.name}/{row.trials}", analysis)
        )
    return found


def write_analysis(folder: Path, found: Analysis) -> None:
    """Write breakdown.tsv, speakers.tsv, utterances.tsv, pairs.tsv and errors.csv."""
    for name in ("breakdown", "speakers", "utterances", "pairs"):
        rows = getattr(found, name)
        with atomic_output(folder / f"{name}.tsv") as file:
            file.writelines("\t".join(map(plain, cells)) + "\n" for cells in (rows[0], *(row.values() for row in rows)))
    with atomic_output(folder / "errors.csv", "wb") as file:
        csv.write_csv(pa.Table.from_pandas(found.errors, preserve_index=False), file)


def condition_cells(row: ErrorRow) -> list[str]:
    counts = [f"{row[key]:,}" for key in ("speakers", "targets", "nontargets")]
    bounds = "" if row["eer_low"] is None else f"{row['eer_low']:.2f} to {row['eer_high']:.2f}"
    return [row["condition"], *counts, _percent(row["eer"]), bounds, _percent(row["p_miss"]), _percent(row["p_fa"])]


def speaker_cells(row: ErrorRow) -> list[str]:
    targets, nontargets = f"{row['targets']:,}", f"{row['nontargets']:,}"
    return [str(row["speaker"]), targets, _percent(row["p_miss"]), nontargets, _percent(row["p_fa"])]


def utterance_cells(row: ErrorRow) -> list[str]:
    _, *rates = speaker_cells(row)
    return [str(row["utterance"]), str(row["speaker"]), *rates, str(row["file"])]


def pair_cells(row: ErrorRow) -> list[str]:
    return [*(str(row[key]) for key in ("kind", "enrol", "test")), plain(float(row["score"])), *_files(row)]


def _files(row: ErrorRow) -> list[str]:
    return [str(row["enrol_files"]), str(row["test_file"])]


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
