"""Archives of features and of embeddings beside kaldiio, and the memory of a training's tables: one run on one machine.

python -m benchmarks.archives --out benchmarks/archives.md    # 3 GB in $TMPDIR, best a memory file system

Each time is the median of repeats, in which ours and kaldiio's are measured in turn, each with its scp. Ours are
fsynced, renamed, and checked for NaN. Matrices are 8 s of 80 filters (800 x 80), seeded. kaldiio reads by `load_scp`,
key by key. Before a file is written again, the one before is deleted.
"""

import gc
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import kaldiio
import numpy as np

from benchmarks.scoring import elsewhere, machine
from sre.cli.arguments import Parser, number, output_file
from sre.io.ark import read_scp, read_vectors, write_ark
from sre.io.record import read_record, read_rows
from sre.machine.log import run

REPEATS, FRAMES, BINS = 7, 800, 80
COUNTS = {0: 300, 1: 60, 2: 60, 3: 300, 4: 300, 5: 300, 6: 300, 7: 300}  # method: matrices; kaldiio takes 2 ms for 1, 2
METHODS = (
    "none",
    "automatic",
    "speech feature",
    "2 bytes",
    "2 bytes, integers",
    "1 byte",
    "1 byte, integers",
    "1 byte, 0 to 1",
)
FORMS = {"float": 0, "CM": 2, "CM2": 3, "CM3": 5}
VECTORS, D, TIMED, UTTERANCES = 1_000_000, 256, 50_000, 1_200_000


def in_turn(ours: Callable, theirs: Callable, repeats: int = REPEATS) -> tuple[float, float]:
    """Median seconds of each, after one call that is not counted."""
    times: tuple[list[float], list[float]] = [], []
    for repeat in range(repeats + 1):
        for place in (0, 1) if repeat % 2 else (1, 0):
            begun = time.perf_counter()
            (ours, theirs)[place]()
            times[place].append(time.perf_counter() - begun)
    return statistics.median(times[0][1:]), statistics.median(times[1][1:])


def matrix(rows: int, method: int) -> np.ndarray:
    x = np.random.default_rng(rows).normal(10, 3, size=(rows, BINS)).astype(np.float32)
    x = np.abs(np.round(x)) if method in (4, 6) else x
    return np.clip(x / 20, 0, 1) if method == 7 else x


def fresh(path: Path) -> Path:
    path.unlink(missing_ok=True)
    return path


def matrices(folder: Path, scale: float) -> list[str]:
    rows = [
        "| method of compression | write: ours /s | kaldiio /s | ratio | read: ours /s | kaldiio /s | ratio | bytes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method, full in COUNTS.items():
        count, one = max(10, int(full * scale)), matrix(FRAMES, method)
        records = {f"utt{place:05}": one for place in range(count)}
        ours, theirs = folder / "ours", folder / "theirs"

        def write_ours(ours: Path = ours, records: dict = records, method: int = method) -> None:
            write_ark(fresh(ours), f"{ours}.scp", records.items(), method)

        def write_theirs(theirs: Path = theirs, records: dict = records, method: int = method) -> None:
            kaldiio.save_ark(str(fresh(theirs)), records, f"{theirs}.scp", compression_method=method or None)

        def read_ours(ours: Path = ours) -> None:
            for key, place in read_scp(f"{ours}.scp").items():
                read_record(key, place, "matrix")

        def read_theirs(theirs: Path = theirs) -> None:
            for _ in kaldiio.load_scp(f"{theirs}.scp").values():
                pass

        speeds = [count / seconds for work in ((write_ours, write_theirs), (read_ours, read_theirs))
                  for seconds in in_turn(*work)]  # fmt: skip
        same = "the same" if ours.read_bytes() == theirs.read_bytes() else "differ"
        write, write_kaldiio, read, read_kaldiio = speeds
        rows.append(
            f"| {method}: {METHODS[method]} | {write:,.0f} | {write_kaldiio:,.0f} | {write / write_kaldiio:.2f}x"
            f" | {read:,.0f} | {read_kaldiio:,.0f} | {read / read_kaldiio:.2f}x | {same} |"
        )
    return rows


def parts(folder: Path) -> list[str]:
    rows = [
        "| 200 rows of 60 s (6,000 x 80) | rows alone µs | whole, ours µs | whole, kaldiio µs |",
        "|---|---|---|---|",
    ]
    for form, method in FORMS.items():
        write_ark(folder / "long.ark", folder / "long.scp", [("utt", matrix(6000, 0))], method)
        place = read_scp(folder / "long.scp")["utt"]

        def some(place: str = place) -> None:
            for start in range(0, 5000, 250):
                read_rows("utt", place, start, 200)

        def whole(place: str = place) -> None:
            for _ in range(20):
                read_record("utt", place, "matrix")

        def theirs(place: str = place) -> None:
            for _ in range(20):
                kaldiio.load_mat(place)

        alone, all_of_it = in_turn(some, whole)
        _, kaldiios = in_turn(some, theirs)
        rows.append(f"| {form} | {alone / 20e-6:,.0f} | {all_of_it / 20e-6:,.0f} | {kaldiios / 20e-6:,.0f} |")
    return rows


def names(count: int) -> Iterator[str]:
    """As VoxCeleb's: 26 characters, or some more."""
    for utt in range(count):
        yield f"id{utt // 200:05}-{(utt // 10 * 7919) % 2**44:011x}-{utt % 200:05}"


def vectors(folder: Path, scale: float) -> list[str]:
    count = int(VECTORS * scale)
    timed = min(TIMED, count)
    elsewhere(write_vectors, folder, count)
    elsewhere(time_ours, folder, count)
    elsewhere(time_theirs, folder, timed)
    ours = float((folder / "ours").read_text())
    of_index, of_some = map(float, (folder / "theirs").read_text().split())
    expected = of_index + of_some * count / timed
    return [
        f"| {count:,} vectors of {D} by scp | ours s | kaldiio s | ratio |",
        "|---|---|---|---|",
        f"| all into one matrix | {ours:.2f} | {expected:.1f} \\* | {expected / ours:.1f}x |",
        "",
        f"\\*: its index of all, and {timed:,} vectors measured, the rest extrapolated. Each is measured in a process"
        " of its own: the median of seven of ours, of three of kaldiio's, after two that are not counted. Ours finds"
        " what is not finite.",
    ]


def alone(work: Callable[[], object], repeats: int = 3) -> float:
    """Median seconds of some calls, after two that are not counted: fresh memory comes slowly at first."""
    times = []
    for _ in range(repeats + 2):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times[2:])


def time_ours(folder: Path, count: int) -> None:
    scp = folder / "vectors.scp"
    (folder / "ours").write_text(str(alone(lambda: read_vectors(scp), 7)))
    ids, found = read_vectors(scp)
    x = np.random.default_rng(1).normal(size=(1000, D)).astype(np.float32)
    assert len(ids) == count and np.array_equal(found[:1000], x[: len(found[:1000])])


def time_theirs(folder: Path, timed: int) -> None:
    scp = str(folder / "absolute.scp")  # from whose folder kaldiio reads nothing
    of_index = alone(lambda: kaldiio.load_scp(scp))
    places = kaldiio.load_scp(scp)
    some = list(places)[:timed]
    of_some = alone(lambda: np.stack([places[key] for key in some]))
    (folder / "theirs").write_text(f"{of_index} {of_some}")


def write_vectors(folder: Path, count: int) -> None:
    x = np.random.default_rng(1).normal(size=(1000, D)).astype(np.float32)
    records = ((name, x[place % 1000]) for place, name in enumerate(names(count)))
    write_ark(folder / "vectors.ark", folder / "vectors.scp", records)
    text = (folder / "vectors.scp").read_text()
    (folder / "absolute.scp").write_text(text.replace(" vectors.ark:", f" {folder}/vectors.ark:"))


def write_tables(folder: Path, count: int) -> None:
    with (open(folder / "feats.scp", "w") as scp, open(folder / "utt2num_frames", "w") as frames,
          open(folder / "utt2spk", "w") as utt2spk):  # fmt: skip
        for utt, name in enumerate(names(count)):
            scp.write(f"{name} feats.{utt // 40_000 + 1}.ark:{(utt % 40_000) * 64_035 + 27}\n")
            frames.write(f"{name} {300 + utt % 1000}\n")
            utt2spk.write(f"{name} {name[:7]}\n")


def resident(what: str = "Rss") -> float:
    """Bytes of this process: in all (Rss), or of its own since it was forked (Private_Dirty)."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("no /proc/self/smaps_rollup here")


def tables_in_dicts(folder: Path) -> tuple[object, Callable[[], None]]:
    """As they were: the tables of a store, and of a training's selection."""
    from sre.io.tables import read_table, read_utt2spk

    places, frames = read_scp(folder / "feats.scp"), read_table(folder / "utt2num_frames")
    num_frames = {utt: int(count) for utt, count in frames.items()}
    utt2spk = read_utt2spk(folder / "utt2spk")
    selected = {utt: speaker for utt, speaker in utt2spk.items() if num_frames[utt] >= 300}
    source, train = dict.fromkeys(selected, 0), sorted(selected)
    utts = [(source[utt], utt) for utt in train]

    def look() -> None:
        for _, utt in utts:
            places[utt], num_frames[utt]

    return (places, num_frames, utt2spk, selected, source, train, utts), look


def tables_in_arrays(folder: Path) -> tuple[object, Callable[[], None]]:
    from sre.features.store import FeatureStore
    from sre.io.bulk import read_labels
    from sre.training.options import Filter
    from sre.training.selection import select
    from sre.training.validation import partition

    store, utt2spk = FeatureStore(folder / "feats.scp"), read_labels(folder / "utt2spk")
    chosen = select([store], [utt2spk], Filter(min_frames=300, min_utterances=1))
    train = partition(chosen.utt2spk, 0, 0).train
    utts = chosen.of(train)

    def look() -> None:
        for _, utt in utts:
            store.places[utt], store.num_frames[utt]

    return (store, utt2spk, chosen, train, utts), look


def hold(folder: Path, in_arrays: bool, out: Path) -> None:
    """Write the bytes that the tables take, those that a forked reader copies, and seconds, of one process."""
    import sre.features.store
    import sre.training.job
    import sre.training.selection
    import sre.training.validation

    assert sre.training.job and sre.features.store
    gc.collect()
    before, begun = resident(), time.perf_counter()
    kept, look = (tables_in_arrays if in_arrays else tables_in_dicts)(folder)
    seconds = time.perf_counter() - begun
    gc.collect()
    taken = resident() - before
    child = os.fork()
    if not child:
        look()
        out.with_suffix(".child").write_text(str(resident("Private_Dirty")))
        os._exit(0)
    os.waitpid(child, 0)
    out.write_text(f"{taken} {seconds} {out.with_suffix('.child').read_text()}")
    assert kept


def metadata(folder: Path, scale: float) -> list[str]:
    count = int(UTTERANCES * scale)
    elsewhere(write_tables, folder, count)
    rows = [
        f"| tables of {count:,} utterances in a training process | bytes an utterance | MB | a forked reader copies MB"
        " | made in s |",
        "|---|---|---|---|---|",
    ]
    for name, in_arrays in (("dicts, as before", False), ("arrays", True)):
        elsewhere(hold, folder, in_arrays, folder / "held")
        taken, seconds, copied = map(float, (folder / "held").read_text().split())
        rows.append(f"| {name} | {taken / count:.0f} | {taken / 1e6:.0f} | {copied / 1e6:.0f} | {seconds:.1f} |")
    return rows


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--scale", type=number(0.001, 10), default=1.0, help="times as many records (default: 1)")
    parser.add_argument("--out", type=output_file, help="a Markdown file, besides stdout")
    args = parser.parse_args()
    report = ["# Archives", "", f"`python -m benchmarks.archives {' '.join(sys.argv[1:])}`: {machine()}", ""]
    for part in (metadata, matrices, lambda folder, _: parts(folder), vectors):
        with tempfile.TemporaryDirectory() as folder:
            report += [*part(Path(folder), args.scale), ""]
    text = "\n".join(report)
    print(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(main)
