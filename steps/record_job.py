"""Run a command of the project, and record how its outputs were made (Snakemake runs every job through this).

e.g.: python -m steps.record_job log/metrics.json --inputs cosine.scores data/trials/mini --outputs metrics.json \\
          -- steps.compute_metrics cosine.scores data/trials/mini --out metrics.json

The record stands only after the command has succeeded. Its seconds are the command's, without the hashing of files.
Where the record is given as LOG.log, it is LOG.json, and LOG.log has the command and all that it prints.
"""

import runpy
import shlex
import sys
import time
from datetime import UTC, datetime
from importlib.util import find_spec

from sre import SreError
from sre.cli.arguments import Parser, count, output_file
from sre.config.stages import step_of
from sre.experiments.records import Record, identify
from sre.machine.environment import NOTED, code_version, environment
from sre.machine.log import print_to, run_at_least
from sre.machine.memory import peak_memory_mib
from sre.workflow import joblog


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("record", type=output_file, help="JSON; a name that ends in .log is taken with .json instead")
    parser.add_argument("--inputs", nargs="*", default=[], metavar="PATH", help="what the command reads")
    parser.add_argument("--outputs", nargs="*", default=[], metavar="PATH", help="what it must make")
    again = "number of the try: one after a try that ended in a sentence of ours ends in it too, at once"
    parser.add_argument("--attempt", type=count, default=1, metavar="N", help=again)
    argv = sys.argv[1:] if argv is None else argv
    end = argv.index("--") if "--" in argv else len(argv)
    own, command = argv[:end], argv[end + 1 :]
    args = parser.parse_args(own)
    if not command or not find_spec(command[0].partition(".")[0]) or not find_spec(command[0]):
        parser.error("write -- and a module with its arguments at the end, e.g. steps.compute_metrics")
    record = args.record.with_suffix(".json") if args.record.suffix == ".log" else args.record
    if record != args.record:
        refused = joblog.refusal(joblog.read(args.record)) if args.attempt > 1 else None
        print_to(args.record)
        print(f"$ {shlex.join(['python', '-m', *command])}")
        if refused:
            raise SreError(refused)
    record.unlink(missing_ok=True)
    code_version()  # as it is now: a commit during the job is not what made its outputs
    inputs = identify(args.inputs)
    begun, clock = datetime.now(UTC), time.monotonic()
    _run(command)
    seconds = time.monotonic() - clock
    Record(
        command=["python", "-m", *command],
        step=step_of(command[0]),
        settings=NOTED,
        inputs=inputs,
        outputs=identify(args.outputs),
        begun=begun.isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
        peak_memory_mib=round(peak_memory_mib()),
        **environment(),
    ).write(record)


def _run(command: list[str]) -> None:
    """Run as `python -m`, but in this process: what it prints, its exit status and its signals are its own."""
    sys.argv = command
    try:
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code:
            raise


if __name__ == "__main__":
    run_at_least(main)
