"""The histories of an experiment's trainings as TensorBoard's event files, a folder a run.

e.g.: python -m steps.make_tensorboard exp/mini exp/mini/tensorboard
      python -m steps.make_tensorboard exp/mini exp/mini/tensorboard --follow

`tensorboard --logdir exp/mini/tensorboard` shows them. Only history.jsonl is read: a training neither waits for it nor
changes by it, and one that was killed and resumed has each epoch once. What an earlier call has written is written
anew. Needs pip install 'sre[tensorboard]'.

For use by hand: no rule calls it.
"""

from sre.cli.arguments import Parser, input_folder, output_folder
from sre.machine.log import run, say


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("experiment", type=input_folder, help="exp/<name>, or exp/<name>/<run> for one run")
    parser.add_argument("out", type=output_folder, help="folder for the event files")
    parser.add_argument("--follow", action="store_true", help="go on with each further epoch, until Ctrl-C")
    args = parser.parse_args(argv)
    from sre.experiments import events

    if args.follow:
        say(f"{args.out}: each epoch is written as it ends, until Ctrl-C")
        events.follow(args.experiment, args.out)
    written: dict[str, events.EventFile] = {}
    found = events.histories(args.experiment)
    count = events.write(found, args.out, written)
    events.close(written.values())
    say(f"{args.out}: {count} epochs of {len(found)} runs")


if __name__ == "__main__":
    run(main)
