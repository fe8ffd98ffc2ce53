"""report.tsv: one line a run, list and system, for programs."""

from collections.abc import Mapping, Sequence

from sre.metrics.bootstrap import COLUMNS
from sre.metrics.rates import P_TARGETS
from sre.report.numbers import plain
from sre.report.ranking import Standing
from sre.report.rows import THRESHOLDS, Row
from sre.scoring.result import numbers_of

TSV_KEYS: tuple[str, ...] = ("targets", "nontargets", "eer", "min_dcf_0.01", "min_dcf_0.05", "min_dcf_0.001")
TSV_KEYS += tuple(key for _, key in THRESHOLDS) + tuple(f"act_dcf_{p}" for p in P_TARGETS) + ("cllr", "min_cllr")
TSV_KEYS += tuple(f"{key}_{end}" for key in COLUMNS for end in ("low", "high"))


def tsv(ranked: Mapping[str, Sequence[Standing]]) -> str:
    """Return one line a row under a heading; plain numbers, empty cells and a note where a system failed."""
    lines = [["run", "model", "seed", "trials", "role", "system", "primary", "chosen", "status", *TSV_KEYS]]
    lines[0] += ["on_development", "reference", "difference", "difference_low", "difference_high", "p_holm", "verdict"]
    lines[0] += ["trials_sha256", "config_sha256", "wall_s", "note"]
    standings = [standing for some in ranked.values() for standing in some]
    lines += [_tsv_cells(row, standing) for standing in standings for row in standing.group.rows]
    return "".join("\t".join(line) + "\n" for line in lines)


def _tsv_cells(row: Row, standing: Standing) -> list[str]:
    """Return what is of the row, and what is of its model and system over the seeds."""
    cells = [
        row.run,
        row.model,
        row.seed,
        row.list_name,
        row.result.role,
        row.system,
    ]
    cells += ["primary" if row.primary else "", "chosen" if standing.group.chosen else ""]
    numbers = numbers_of(row.metrics)
    cells += ["ok" if row.metrics else "failed", *(plain(numbers.get(key)) for key in TSV_KEYS)]
    difference = standing.difference
    cells += [plain(standing.on_development), "reference" if standing.reference else ""]
    cells += [plain(getattr(difference, name, None)) for name in ("value", "low", "high", "p", "verdict")]
    cells += [plain(value) for value in (row.result.trials_sha256, row.result.config_sha256, row.result.wall_s)]
    return [*map(str, cells), row.note]


def difference_in(line: Mapping[str, str]) -> dict[str, float]:
    """Return the fields of the Difference that a line, column -> cell, tells; {} of the reference, and untested."""
    keys = {"value": "difference", "low": "difference_low", "high": "difference_high", "p": "p_holm"}
    return {name: float(line[key]) for name, key in keys.items()} if line["difference"] else {}
