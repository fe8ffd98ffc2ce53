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

# tables: heading -> key of an ErrorRow
CONDITIONS = {name: name for name in ("condition", "speakers", "targets", "nontargets")}
CONDITIONS |= {"EER, %": "eer", "95 % interval": "interval", "P_miss, %": "p_miss", "P_fa, %": "p_fa"}
RATES = {"targets": "targets", "P_miss, %": "p_miss", "nontargets": "nontargets", "P_fa, %": "p_fa"}
SPEAKERS = {"speaker": "speaker", **RATES}
UTTERANCES = {"utterance": "utterance", **SPEAKERS, "file": "file"}
PAIRS = {name: name.replace(" ", "_") for name in ("kind", "enrol", "test", "score", "enrol files", "test file")}
MANY_TRIALS, FEWER_DRAWS = 100_000, 200  # of so many trials each condition has fewer draws than the table of systems


@dataclass(frozen=True)
class Errors:
    """The errors of one system on one evaluation list.

    system : whose they are, in words
    folder : of the tables, relative to the report's
    """

    list_title: str
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
        drawn = row.result.bootstrap
        draws, seed = (drawn.replicates, drawn.seed) if drawn else (0, 1)
        draws = draws if sum(row.outcome.counts) <= MANY_TRIALS else min(draws, FEWER_DRAWS)
        analysis = analyse(row.scores, row.trials_file, row.result.enroll_map, row.data, draws=draws, seed=seed)
        write_analysis(folder / row.list_name, analysis)
        system = f"{row.run} {row.system}, seed {row.seed}"
        found.append(Errors(trials, system, f"{folder.name}/{row.list_name}", analysis))
    return found


def write_analysis(folder: Path, found: Analysis) -> None:
    """Write breakdown.tsv, speakers.tsv, utterances.tsv, pairs.tsv and errors.csv."""
    for name in ("breakdown", "speakers", "utterances", "pairs"):
        rows = getattr(found, name)
        with atomic_output(folder / f"{name}.tsv") as file:
            file.writelines("\t".join(map(plain, cells)) + "\n" for cells in (rows[0], *(row.values() for row in rows)))
    with atomic_output(folder / "errors.csv", "wb") as file:
        csv.write_csv(pa.Table.from_pandas(found.errors, preserve_index=False), file)


def cells(row: ErrorRow, columns: Mapping[str, str]) -> list[str]:
    """Return the texts of a row by `columns`: rates with two decimals, a score with six digits, "" for None."""
    if row.get("eer_low") is not None:
        row = row | {"interval": f"{row['eer_low']:.2f} to {row['eer_high']:.2f}"}
    return [_text(key, row.get(key)) for key in columns.values()]


def _text(key: str, value: object) -> str:
    if isinstance(value, float):
        return plain(value) if key == "score" else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value or "")
