"""Extract the embedding of every utterance of a data dir, or of one shard of it.

python -m steps.extract_embeddings exp/mini/xvector/final.pt data/mini_test exp/mini/xvector/embeddings/mini_test
  …  --window 300 --shift 150               the mean of windows of 3 s, at 100 frames a second
  …  --crops 10 --crop-frames 400 --keep    ten crops as a matrix
"""

from collections.abc import Iterator
from functools import partial

import numpy as np

from sre import SreError
from sre.cli.arguments import Parser, input_file, input_folder, output_folder, processes, shard
from sre.cli.configs import audio_rules, config_argument
from sre.machine.log import Progress, run
from steps.arguments import DEVICES, PRECISIONS, add_max_rejected, add_pieces_options, pieces_of


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("model", type=input_file, help="a trained bundle, final.pt")
    parser.add_argument("data", type=input_folder, help="data directory")
    parser.add_argument("out", type=output_folder, help="folder for embeddings.{ark,scp}")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--feats", type=input_file, help="feats.scp, where it is elsewhere")
    sound = "make features of the audio, as is done where there are none: the keys of a recipe's audio; YAML or JSON"
    source.add_argument("--audio", type=config_argument, metavar="CONFIG", help=sound)
    add_pieces_options(parser)
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="docs/extraction.md has them (fp32)")
    parser.add_argument(
        "--shard", type=shard, metavar="K/N", help="only the K-th of N parts, as embeddings.K.{ark,scp}"
    )
    parser.add_argument("--device", default="auto", choices=DEVICES, help="where it runs; auto: a GPU if there is one")
    parser.add_argument(
        "--threads", type=processes, default=1, help="of the CPU; results are the same bytes for the same number"
    )
    add_max_rejected(parser)
    args = parser.parse_args(argv)
    from sre.extraction.embedder import Embedder, extract
    from sre.extraction.sources import judge_rejected, store_of, usable
    from sre.io.ark import write_ark
    from sre.io.atomic import locked
    from sre.machine.device import choose_device, prepare

    pieces, device = pieces_of(args), choose_device(args.device)
    prepare(device, args.threads)
    embedder = Embedder(args.model, device, args.precision)
    rate = embedder.feature_config.get("sample_rate")
    rules = audio_rules(args.audio, rate) if rate else None
    store = store_of(embedder, args.data, args.feats, rules, from_audio=args.audio is not None)
    embedder.check(store)
    chosen, rejected = usable(store, args.data, args.shard)
    by_header = len(rejected)
    if not chosen and args.shard is None:
        raise SreError(f"{args.data}: no utterance of it has features; make them first")
    name = f"embeddings.{args.shard[0]}" if args.shard else "embeddings"
    table = args.out / f"{name}.rejected.tsv"
    judge = partial(judge_rejected, table, total=len(chosen) + by_header, max_rejected=args.max_rejected)
    progress = Progress("embed", len(chosen), "utt")

    def records() -> Iterator[tuple[str, np.ndarray]]:
        for record in extract(embedder, store, chosen, pieces, rejected):
            progress.add(1)
            yield record

    with locked(args.out / f".{name}.lock"):
        judge(rejected)
        made = sorted(records())
        if len(rejected) > by_header:
            judge(rejected)
        write_ark(args.out / f"{name}.ark", args.out / f"{name}.scp", made)
    progress.close()


if __name__ == "__main__":
    run(main)
