"""One report of all runs: report.tsv, report.md and a self-contained report.html.

e.g.: python -m steps.make_report exp/mini/report --metrics exp/mini/*/scores/*/metrics.json \\
          --summaries exp/mini/*/train_summary.json --primary xvector/cosine --title "Recipe mini"

Prints the table and the page's path. A training's history.jsonl is looked for beside its summary.
"""

import argparse
from pathlib import Path

from sre.log import run
from sre.report import load_results, load_runs, read_json, write_report
from sre.uncertainty import COLUMNS


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out_dir", type=Path, help="folder of the report")
    parser.add_argument("--metrics", type=Path, nargs="+", required=True, help="products of score jobs")
    parser.add_argument("--summaries", type=Path, nargs="*", default=[], help="train_summary.json of each run")
    parser.add_argument("--title", default="Speaker recognition report")
    parser.add_argument("--primary", help="SYSTEM, MODEL/SYSTEM or RUN/SYSTEM that was named beforehand")
    parser.add_argument("--metric", default="eer", choices=COLUMNS, help="systems are ranked, chosen and tested by it")
    parser.add_argument("--notes", type=Path, help='gates.json: {"notes": [sentences], "data": [one object a split]}')
    parser.add_argument("--features", type=Path, help="features_checked.json: what was lost on the way to features")
    parser.add_argument("--command", type=Path, help="a text file with the command that makes all of it again")
    args = parser.parse_args(argv)
    results = load_results(args.metrics)
    runs = load_runs(args.summaries, results)
    notes = read_json(args.notes) if args.notes else None
    features = read_json(args.features) if args.features else None
    command = args.command.read_text().strip() if args.command and args.command.is_file() else ""
    table = write_report(args.out_dir, results, runs, args.title, args.primary, args.metric, notes, features, command)
    print(f"{table}\n{args.out_dir / 'report.html'}")


if __name__ == "__main__":
    run(main)
