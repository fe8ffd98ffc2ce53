"""Who errs: conditions, worst speakers and confusing pairs of each evaluation list's reference; its errors as CSV."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from sre.io.atomic import atomic_output
from sre.report.figure_sets import row_files
from sre.report.numbers import plain
from sre.report.ranking import Standing
from sre.scoring.breakdown import Analysis, Row, analyse

CONDITIONS = ["condition", "speakers", "targets", "nontargets", "EER, %", "95 % interval", "P_miss, %", "P_fa, %"]
SPEAKERS = ["speaker", "targets", "P_miss, %", "nontargets", "P_fa, %"]
PAIRS = ["kind", "enrol", "test", "score", "enrol files", "test file"]
MANY_TRIALS, FEWER_DRAWS = 100_000, 200  # of so many trials each condition has fewer draws than the table of systems


@dataclass(frozen=True)
class Errors:
    """Of one evaluation list: whose they are, where the files lie, and what is in them."""

    trials: str
    system: str
    folder: str  # below the report's
    analysis: Analysis


def write_errors(folder: Path, ranked: Mapping[str, Sequence[Standing]]) -> list[Errors]:
    """Write folder/<list>/ of the reference's first seed, where the data directory that its metrics name is there."""
    found = []
    for trials, standings in ranked.items():
        row = next((one.group.done[0] for one in standings if one.reference and one.group.done), None)
        if row is None or row.development or not row.result.get("data"):
            continue
        data, given = Path(row.result["data"]), row.result.get("enroll_map")
        if not (data / "utt2spk").is_file():
            continue
        trials_of = row.metrics["targets"] + row.metrics["nontargets"]
        drawn = row.result.get("bootstrap") or {"replicates": 0, "seed": 1}
        draws = drawn["replicates"] if trials_of <= MANY_TRIALS else min(drawn["replicates"], FEWER_DRAWS)
        analysis = analyse(*row_files(row), Path(given) if given else None, data, draws=draws, seed=drawn["seed"])
        write_analysis(folder / row.trials, analysis)
        found.append(
            Errors(trials, f"{row.run} {row.system}, seed {row.seed}", f"{folder.name}/{row.trials}", analysis)
        )
    return found


def write_analysis(folder: Path, found: Analysis) -> None:
    """breakdown.tsv, speakers.tsv, pairs.tsv and errors.csv."""
    for name, rows in (("breakdown", found.breakdown), ("speakers", found.speakers), ("pairs", found.pairs)):
        with atomic_output(folder / f"{name}.tsv") as file:
            file.writelines("\t".join(map(plain, cells)) + "\n" for cells in (rows[0], *(row.values() for row in rows)))
    with atomic_output(folder / "errors.csv", "wb") as file:
        csv.write_csv(pa.Table.from_pandas(found.errors, preserve_index=False), file)


def condition_cells(row: Row) -> list[str]:
    counts = [f"{row[key]:,}" for key in ("speakers", "targets", "nontargets")]
    bounds = "" if row["eer_low"] is None else f"{row['eer_low']:.2f} to {row['eer_high']:.2f}"
    return [row["condition"], *counts, _percent(row["eer"]), bounds, _percent(row["p_miss"]), _percent(row["p_fa"])]


def speaker_cells(row: Row) -> list[str]:
    targets, nontargets = f"{row['targets']:,}", f"{row['nontargets']:,}"
    return [row["speaker"], targets, _percent(row["p_miss"]), nontargets, _percent(row["p_fa"])]


def pair_cells(row: Row) -> list[str]:
    return [*(str(row[key]) for key in ("kind", "enrol", "test")), plain(float(row["score"])), *_files(row)]


def _files(row: Row) -> list[str]:
    return [str(row["enrol_files"]), str(row["test_file"])]


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
