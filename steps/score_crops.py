"""Score a trial list by the crops of its utterances, of which steps.extract_embeddings has kept all embeddings.

python -m steps.extract_embeddings final.pt data/test OUT --crops 10 --crop-frames 400 --keep
python -m steps.score_crops data/trials/test --embeddings OUT/embeddings.scp --by distance distance.scores

docs/extraction.md tells how the rules differ.

For use by hand: no rule calls it. In a recipe back-ends score the mean of the crops, of extraction: {crops: 10,
crop_frames: 400, unit_length: true}.
"""

from sre.cli.arguments import Parser, input_file, output_file
from sre.machine.log import run, say


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("trials", type=input_file, help="lines `enrol test [target|nontarget]` of utterances")
    matrices = "scp of a matrix an utterance: a row a crop"
    parser.add_argument("--embeddings", type=input_file, required=True, metavar="SCP", help=matrices)
    by = (
        "the mean cosine of all pairs of crops (default), or of those in the same place; minus the mean distance of all"
    )
    parser.add_argument("--by", choices=["cosine", "cosine_in_place", "distance"], default="cosine", help=by)
    parser.add_argument("scores", type=output_file, help="lines `enrol test score`")
    args = parser.parse_args(argv)
    from sre.io.trials import read_pairs, write_scores
    from sre.scoring.crops import score_crops

    trials = read_pairs(args.trials)
    write_scores(args.scores, trials, score_crops(trials, args.embeddings, args.by))
    say(f"{args.scores}: {len(trials)} trials")


if __name__ == "__main__":
    run(main)
