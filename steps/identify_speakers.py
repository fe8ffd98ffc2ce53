"""How well a run names speakers: unheard utterances of its training speakers, and lists with enrolled models.

e.g.: python -m steps.identify_speakers exp/mini/fast/identification.json --run fast --model exp/mini/fast/final.pt \\
          --heard data/mini_train_heard --unheard data/mini_train_unheard --embeddings exp/mini/fast/embeddings

Unheard utterances are named by the classes of the network's loss, and by the nearest mean of a speaker's embeddings.
"""

from sre.cli.arguments import Parser, input_file, input_folder, output_file, seed, whole
from sre.machine.log import run, say


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("out", type=output_file, help="identification.json")
    parser.add_argument("--run", required=True, metavar="NAME", help="name of the run, a model with a seed")
    parser.add_argument("--name", metavar="NAME", help="of the model, the same for all seeds (default: --run)")
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help="seed of the training (default: 1)")
    parser.add_argument("--heard", type=input_folder, metavar="DIR", help="data directory that was trained on")
    parser.add_argument("--unheard", type=input_folder, metavar="DIR", help="other utterances of its speakers")
    vectors = "folder with the embeddings of both, <name of DIR>.scp"
    parser.add_argument("--embeddings", type=input_folder, metavar="FOLDER", help=vectors)
    own = "final.pt that was trained on the heard utterances; without it all their speakers are searched"
    parser.add_argument("--model", type=input_file, metavar="FINAL.PT", help=own)
    elsewhere = "a network that was trained before, perhaps on the unheard utterances too"
    parser.add_argument("--before", type=input_file, metavar="FINAL.PT", help=elsewhere)
    scored = "metrics.json of lists that the run was scored on; those with an enrolment map are looked at"
    parser.add_argument("--metrics", type=input_file, nargs="*", default=[], help=scored)
    drawn = "draws of the speakers, for 95 %% intervals; 0: none (default: 1000)"
    parser.add_argument("--replicates", type=whole(), default=1000, metavar="N", help=drawn)
    args = parser.parse_args(argv)
    asked = [args.heard, args.unheard, args.embeddings]
    if any(asked) != all(asked) or not (args.heard or args.metrics):
        parser.error("give --heard, --unheard and --embeddings, or --metrics, or all of them")
    from sre.experiments.read import load_results
    from sre.scoring.identification import IdentificationResult, list_rates
    from sre.voices.closed_set import of_unheard

    found = {result.trials: list_rates(result, args.replicates) for result in load_results(args.metrics)}
    lists = {name: rates for name, rates in found.items() if rates}
    model, draws = args.name or args.run, args.replicates
    unheard = None
    if args.heard:
        unheard = of_unheard(args.heard, args.unheard, args.embeddings, args.model, args.before, draws)
    result = IdentificationResult(model, args.run, args.seed, draws, unheard, lists)
    result.write(args.out)
    for sentence in result.told():
        say(sentence)


if __name__ == "__main__":
    run(main)
