"""`sre data subset`, `combine` and `split`: parts of data directories, and several as one."""

from pathlib import Path
from typing import Any

from sre.cli.arguments import MOST, count, input_file, input_folder, output_folder, whole
from sre.cli.data import Action
from sre.datadir import ops as datadir_ops
from sre.io.tables import read_ids
from sre.machine.log import say


def add_actions(action: Action) -> None:
    subset = action("subset", subset_data, "write part of a data directory; conditions are applied in this order")
    subset.add_argument("--utts", type=input_file, metavar="FILE", help="the utterances whose ids begin its lines")
    subset.add_argument("--speakers", type=input_file, metavar="FILE", help="the speakers whose ids begin its lines")
    subset.add_argument("--per-speaker", type=count, metavar="N", help="at most N utterances of each, drawn by seed")
    subset.add_argument("--random", type=count, metavar="N", dest="random_count", help="N utterances drawn by seed")
    subset.add_argument("--first", type=count, metavar="N", help="the first N utterances in bytewise order")
    subset.add_argument("--seed", type=whole(-MOST), default=1, metavar="N", help="of the draws (default: 1)")
    subset.add_argument("source", type=input_folder, help="data directory")
    subset.add_argument("out", type=output_folder, help="data directory to write; none may stand there")
    combine = action("combine", combine_data, "join data directories that share no utterance id")
    combine.add_argument("sources", type=input_folder, nargs="+", help="data directories")
    combine.add_argument("out", type=output_folder, help="data directory to write; none may stand there")
    split = action("split", split_data, "cut a data directory into OUT/1 … OUT/N of about equal size")
    by = "speaker (default): a speaker is in one part; utterance: the sorted list is cut"
    split.add_argument("--by", choices=["speaker", "utterance"], default="speaker", help=by)
    split.add_argument("source", type=input_folder, help="data directory")
    split.add_argument("parts", type=count, metavar="N", help="number of parts")
    split.add_argument("out", type=output_folder, help="folder of the parts 1 … N")


def subset_data(source: Path, out: Path, utts: Path | None, speakers: Path | None, **conditions: Any) -> None:
    ids = [None if path is None else read_ids(path) for path in (utts, speakers)]
    count = datadir_ops.subset(source, out, utts=ids[0], speakers=ids[1], **conditions)
    say(f"{out}: {count} utterances")


def combine_data(sources: list[Path], out: Path) -> None:
    say(f"{out}: {datadir_ops.combine(sources, out)} utterances")


def split_data(source: Path, parts: int, out: Path, by: str) -> None:
    counts = datadir_ops.split(source, out, parts, by)
    say(f"{out}/1 … {parts}: {min(counts)} to {max(counts)} utterances each")
