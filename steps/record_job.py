"""Run a command of the project, and record how its outputs were made (Snakemake runs every job through this).

e.g.: python -m steps.record_job log/metrics.json --inputs cosine.scores data/trials/mini --outputs metrics.json \\
          -- steps.compute_metrics cosine.scores data/trials/mini --out metrics.json

The record stands only after the command has succeeded.
"""

import argparse
import json
import resource
import runpy
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from sre.io.atomic import atomic_output
from sre.provenance import environment, identify


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, help="JSON; a name that ends in .log is taken with .json instead")
    parser.add_argument("--inputs", nargs="*", default=[])
    parser.add_argument("--outputs", nargs="*", default=[])
    argv = sys.argv[1:] if argv is None else argv
    own, command = argv[: argv.index("--")], argv[argv.index("--") + 1 :]
    args = parser.parse_args(own)
    record = args.record.with_suffix(".json")
    record.unlink(missing_ok=True)
    begun, clock, inputs = datetime.now(UTC), time.monotonic(), identify(args.inputs)
    _run(command)
    made = {
        "command": ["python", "-m", *command],
        "inputs": inputs,
        "outputs": identify(args.outputs),
        "begun": begun.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - clock, 3),
        "peak_memory_mib": round(_peak_memory_mib()),
        **environment(),
    }
    with atomic_output(record) as file:
        json.dump(made, file, indent=1, sort_keys=True)


def _run(command: list[str]) -> None:
    """Run as `python -m`, but in this process: what it prints, its exit status and its signals are its own."""
    sys.argv = command
    try:
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code:
            raise


def _peak_memory_mib() -> float:
    """Of this process or of its largest child; ru_maxrss is in KiB on Linux."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024


if __name__ == "__main__":
    main()
