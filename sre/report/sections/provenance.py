"""What was run: the trial lists by digest, the versions of the code, the commands, and the back-ends as fitted."""

import platform
from collections.abc import Sequence

from sre.experiments.records import Record
from sre.machine.environment import package_version
from sre.report.blocks import Block, Code, Fold, Table, Text
from sre.report.content import Content
from sre.report.jobs import code_versions, commands
from sre.report.numbers import flat, plain
from sre.report.rows import Group, Row, by_list, counts

PACKAGES = ("sre", "torch", "torchaudio", "numpy", "scipy", "matplotlib")


def blocks(content: Content) -> list[Block]:
    rows = [row for group in content.groups for row in group.rows]
    parts: list[Block] = [Text(f"To run all of it again: `{content.command}`.")] if content.command else []
    parts.append(_trial_lists(content.groups))
    if content.jobs:
        parts.append(Text(f"Code: {', '.join(code_versions(content.jobs, content.groups))}."))
        parts.append(Fold(f"The commands of {len(content.jobs)} jobs", [Code("\n".join(commands(content.jobs)))]))
    parts.append(Fold("Score jobs", [_score_jobs(rows)]))
    if fitted := backend_facts(rows, content.jobs):
        table = Table.of("Facts of each", ["run", "system", "list", "facts"], fitted)
        parts.append(Fold("Back-ends as fitted", [table]))
    versions = {"Python": platform.python_version()}
    versions |= {name: package_version(name) or "not installed" for name in PACKAGES}
    return [*parts, Fold("Packages of this report", [Table.of("Versions", ["package", "version"], versions.items())])]


def _trial_lists(groups: Sequence[Group]) -> Table:
    lines = []
    for trials, some in by_list(groups).items():
        number = counts(some)
        sizes = [*(f"{n:,}" for n in number), *(f"{100 / n:.3g}" for n in number)] if number else [""] * 4
        lines.append([trials, *sizes, some[0].rows[0].result.trials_sha256])
    head = ["list", "target", "nontarget", "one miss, %", "one false alarm, %", "SHA-256"]
    return Table.of("Trial lists", head, lines)


def _score_jobs(rows: Sequence[Row]) -> Table:
    scored = {}
    for row in rows:
        facts = map(plain, (row.result.wall_s, row.result.config_sha256))
        scored[row.list_name, row.run] = [row.run, row.model, str(row.seed), row.list_name, *facts]
    head = ["run", "model", "seed", "list", "seconds", "SHA-256 of the config"]
    return Table.of("A job a run and list", head, scored.values())


def backend_facts(rows: Sequence[Row], jobs: Sequence[Record]) -> list[list[str]]:
    """Return run, system, list and facts in words of each row that has any; the type is from the jobs' records."""
    fitted = {name: config for job in jobs for name, config in job.backends.items() if isinstance(config, dict)}
    types = {name: {"type": config["type"]} for name, config in fitted.items() if "type" in config}
    told = [types.get(row.system.partition("+")[0], {}) | flat(row.outcome.backend) for row in rows]
    said = [", ".join(f"{key} {value}" for key, value in facts.items()) for facts in told]
    return [[row.run, row.system, row.list_name, facts] for row, facts in zip(rows, said, strict=True) if facts]
