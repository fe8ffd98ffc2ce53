"""One report of all runs: report.tsv, report.md and a self-contained report.html.

e.g.: python -m steps.make_report exp/mini/report --metrics exp/mini/*/scores/*/metrics.json \\
          --summaries exp/mini/*/train_summary.json --primary xvector/cosine --title "Recipe mini"

Prints the table and the page's path. A training's history.jsonl is looked for beside its summary.
"""

import shutil

from sre.cli.arguments import Parser, input_file, output_folder
from sre.cli.configs import schema
from sre.io.text import read_text
from sre.machine.log import run

WIDTH = 120  # columns of the printed table, where no terminal says how many it has


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("out_dir", type=output_folder, help="folder of the report")
    parser.add_argument(
        "--metrics", type=input_file, nargs="+", required=True, help="metrics.json of each run and list"
    )
    parser.add_argument("--summaries", type=input_file, nargs="*", default=[], help="train_summary.json of each run")
    parser.add_argument("--title", default="Speaker recognition report", help="heading of the page")
    parser.add_argument("--primary", help="SYSTEM, MODEL/SYSTEM or RUN/SYSTEM that was named beforehand")
    parser.add_argument(
        "--metric",
        default="eer",
        choices=schema().part("properties", "metric")["enum"],
        help="systems are ranked, chosen and tested by it",
    )
    parser.add_argument("--gates", "--notes", type=input_file, help="gates.json: counts of each split and list, notes")
    parser.add_argument(
        "--features", type=input_file, help="features_checked.json: what was lost on the way to features"
    )
    named = "identification.json of each run"
    parser.add_argument("--identification", type=input_file, nargs="*", default=[], help=named)
    parser.add_argument("--command", type=input_file, help="a text file with the command that makes all of it again")
    args = parser.parse_args(argv)
    from sre.experiments.read import load_results, load_runs
    from sre.report.build import write_report
    from sre.report.content import Content
    from sre.scoring.identification import IdentificationResult
    from sre.training.gate_files import FeaturesChecked, Gates

    results = load_results(args.metrics)
    content = Content(
        args.out_dir,
        results,
        load_runs(args.summaries, results),
        args.title,
        primary=args.primary,
        metric=args.metric,
        gates=Gates.read(args.gates) if args.gates else Gates(),
        features=FeaturesChecked.read(args.features) if args.features else FeaturesChecked(),
        identified=[IdentificationResult.read(path) for path in args.identification],
        command=read_text(args.command).strip() if args.command else "",
    )
    width = shutil.get_terminal_size((WIDTH, 0)).columns  # COLUMNS, where a run of Snakemake has a terminal
    print(f"{write_report(content, width)}\n{args.out_dir / 'report.html'}")


if __name__ == "__main__":
    run(main)
