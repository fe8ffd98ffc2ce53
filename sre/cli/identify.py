"""`sre identify`: who is speaking? Each recording is compared with all enrolled voices.

sre identify model.sre voices.db unknown.wav                   # the best voice, or unknown
sre identify model.sre voices.db calls/ --rank 5 --json        # the five best for every recording in a folder
sre identify model.sre voices.db a.wav --p-target 0.5          # half of those who speak are enrolled
sre identify final.pt voices.db a.wav --threshold 0.6          # a cosine from which on it is somebody
sre identify model.sre --classifier a.wav --rank 3             # which of the training speakers
sre identify final.pt --classifier b.json --out b_infer.json   # a NeMo manifest, with a field `infer` more
arecord -f S16_LE -r 16000 | sre identify model.sre voices.db -    # live, from a pipe

`sre enroll` makes the file of voices. docs/voices.md has more.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sre import SreError
from sre.cli.arguments import count, input_file, output_file
from sre.cli.embed import add_listening_options
from sre.cli.live import add_live_options, heard_of_stdin, is_live
from sre.cli.verify import add_threshold_options, rates_told

if TYPE_CHECKING:
    from sre.voices.deciding import Threshold
    from sre.voices.identify import Asked, Hit, Voices
    from sre.voices.model import Model
    from sre.voices.sources import Named

USAGE = "sre identify MODEL DB RECORDINGS … [options]\n       sre identify MODEL --classifier RECORDINGS … [options]"
AT_ONCE = 32  # recordings that are searched for together


def add(commands: argparse._SubParsersAction, text: str) -> None:
    """Add the verb to the command line."""
    parser = commands.add_parser("identify", help=text, description=__doc__, usage=USAGE)
    parser.add_argument("model", metavar="MODEL", type=input_file, help="model.sre, or a training's final.pt")
    given = (
        "the file of voices (not with --classifier), and audio files, folders, lists or manifests of them; - is stdin"
    )
    parser.add_argument("given", metavar="DB RECORDINGS", nargs="+", help=given)
    parser.add_argument("--rank", type=count, default=1, metavar="K", help="how many of the best are told (default: 1)")
    parser.add_argument("--classifier", action="store_true", help="name speakers of the training, in place of voices")
    add_threshold_options(parser, "the speaker is one of the enrolled voices")
    add_live_options(parser)
    manifest = "manifest to write: the one that RECORDINGS is, with who was found in the field `infer` of each line"
    parser.add_argument("--out", type=output_file, metavar="FILE", help=manifest)
    parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON, a line for each recording")
    add_listening_options(parser)
    parser.set_defaults(do=identify)


def identify(model: Path, given: list[str], **options: Any) -> None:
    """Print who is found in each recording. Raises SreError where one cannot be used, after the others."""
    from sre.machine.device import choose_device, prepare
    from sre.voices.model import load

    on = choose_device(options["device"])
    prepare(on, options["threads"])
    check_out(options["out"], given if options["classifier"] else given[1:])
    if options["classifier"]:
        classify(load(model, on, with_head=True), given, options)
        return
    database, *recordings = given
    if not recordings:
        raise SreError(f"{database}: stands alone after the model; give the file of voices, and then recordings")
    live = is_live(recordings)
    voices, asked = voices_of(load(model, on), Path(database)), asked_of(**options)
    told = _Told(voices.threshold(asked), len(voices.gallery()), options["as_json"])
    if live:
        follow(voices, asked, told, options)
    else:
        _search(voices, asked, told, recordings, options)


def check_out(out: Path | None, recordings: list[str]) -> None:
    """Raise SreError where a manifest is to be written, and the recordings are not one."""
    from sre.voices.sources import is_manifest

    if out and not (len(recordings) == 1 and is_manifest(Path(recordings[0]))):
        raise SreError(f"--out {out}: it is a NeMo manifest with a field more; give one manifest as RECORDINGS")


def voices_of(model: Model, database: Path) -> Voices:
    """Return the voices. Raises SreError where the file has none."""
    from sre.voices.identify import Voices

    voices = Voices(model, database)
    if not len(voices.gallery()):
        raise SreError(f"{database}: no voice is enrolled in it; enrol one by `sre enroll`")
    return voices


def asked_of(
    p_target: float | None, c_miss: float, c_fa: float, threshold: float | None, far: float | None, **others: Any
) -> Asked:
    """Return what decides, of the options that `sre verify` has too."""
    from sre.voices.deciding import P_TARGET, Point
    from sre.voices.identify import Asked

    asked = p_target is not None or (c_miss, c_fa) != (1.0, 1.0)
    point = Point(P_TARGET if p_target is None else p_target, c_miss, c_fa) if asked else None
    return Asked(point, far, threshold, others["list_name"])


class _Told:
    """What is printed of each recording."""

    def __init__(self, threshold: Threshold | None, voices: int, as_json: bool) -> None:
        self.threshold, self.voices, self.as_json = threshold, voices, as_json
        self.answers = dict[str, str]()  # recording -> voice, or unknown

    def hits(self, name: str, hits: list[Hit], **more: Any) -> None:
        """Print the best voices, the best first."""
        best = hits[0]
        self.answers[name] = "unknown" if best.accepted is False else best.voice
        if self.as_json:
            value = None if self.threshold is None else self.threshold.value
            answer = None if best.accepted is False else best.voice
            told = {"recording": name, "voice": answer, "threshold": value, "best": [asdict(hit) for hit in hits]}
            print(json.dumps(told | more), flush=True)
            return
        first = f"unknown; the nearest is {best.voice}" if best.accepted is False else best.voice
        print(f"{name}: {first} ({_sure(best)})", flush=True)
        for rank, hit in enumerate(hits[1:], 2):
            print(f"  {rank}. {hit.voice} ({_sure(hit)})", flush=True)

    def end(self) -> None:
        """Print what decided."""
        if self.as_json:
            return
        count = f"{self.voices} voice{'s' * (self.voices != 1)}"
        if (at := self.threshold) is None:
            print(f"{count}, no threshold: somebody is always the nearest; give --threshold")
            return
        print(f"{count}, accepted from {at.value:.4f} on ({at.why})")
        if rates := rates_told(at):
            print(f"{rates}; a search is as many comparisons as there are voices")


def _sure(hit: Hit) -> str:
    if hit.posterior is None:
        return f"score {hit.score:.4f}"
    return f"log-likelihood ratio {hit.score:.4f}, probability {100 * hit.posterior:.2f} %"


def _search(voices: Voices, asked: Asked, told: _Told, recordings: list[str], options: dict[str, Any]) -> None:
    from sre.machine.log import Progress
    from sre.voices.sources import embedded, named_recordings
    from sre.voices.voiceprint import Voiceprint

    named = named_recordings(recordings, voices.model)
    progress = Progress("identify", named.total, "recordings", at_most=True)
    found = embedded(voices.model, named, options["channel"])
    while some := list(islice(found, AT_ONCE)):
        together = Voiceprint.joined([one for _, one in some])
        for (name, _), hits in zip(some, voices.identify(together, options["rank"], asked), strict=True):
            told.hits(name, hits)
        progress.add(len(some))
    _annotate(recordings, options["out"], told.answers)
    told.end()
    _end_of(named, options["as_json"])


def follow(voices: Voices, asked: Asked, told: _Told, options: dict[str, Any]) -> None:
    """Print who it is as audio comes from stdin."""
    for seconds, voiceprint in heard_of_stdin(voices.model, options["rate"], options["channel"]):
        told.hits(f"{seconds:.1f} s", voices.identify(voiceprint, options["rank"], asked)[0])
    told.end()


def classify(model: Model, recordings: list[str], options: dict[str, Any]) -> None:
    """Print which training speakers are the most probable; of data directories also how many are right."""
    from sre.voices.classifier import Classifier
    from sre.voices.sources import embedded, named_recordings

    classifier = Classifier(model.package.bundles[0], model.embedders[0].network, model.path)
    named = named_recordings(recordings, model)
    right = _speakers(named.folders) | named.speakers
    tried, hit = 0, 0
    answers = dict[str, str]()
    for name, found in embedded(model, named, options["channel"]):
        classes = classifier.classify(found.vectors[:, : classifier.network.embedding_dim])
        best = classes.best(options["rank"])[0]
        rows = [
            {"speaker": classifier.speakers[n], "posterior": float(classes.posteriors[0, n]),
             "similarity": float(classes.similarities[0, n])} for n in best
        ]  # fmt: skip
        answers[name] = rows[0]["speaker"]
        if right.get(name) in classifier.places:
            tried, hit = tried + 1, hit + (rows[0]["speaker"] == right[name])
        if options["as_json"]:
            print(json.dumps({"recording": name, "best": rows}))
        else:
            sure = "{speaker} ({percent:.2f} %, similarity {similarity:.4f})"
            told = [sure.format(percent=100 * row["posterior"], **row) for row in rows]
            print(f"{name}: {', '.join(told)}")
    _annotate(recordings, options["out"], answers)
    if tried and not options["as_json"]:
        print(f"{hit} of {tried} utterances of training speakers are named right: {100 * hit / tried:.2f} %")
    _end_of(named, options["as_json"])


def _annotate(recordings: list[str], out: Path | None, answers: dict[str, str]) -> None:
    """Write the manifest that the recordings are with who was found, where that is asked for."""
    from sre.datadir.importers.nemo import annotate

    if out:
        annotate(Path(recordings[0]), out, "infer", answers)


def _end_of(named: Named, as_json: bool) -> None:
    """Print what could not be used. Raises SreError where that is anything."""
    for name, _, reason in named.rejected:
        print(json.dumps({"recording": name, "reason": reason}) if as_json else f"{name}: not used: {reason}")
    if named.rejected:
        name, _, reason = named.rejected[0]
        count = f"{len(named.rejected)} of {named.total} recordings could not be used"
        raise SreError(f"{count}, the first is {name}: {reason}")


def _speakers(folders: list[Path]) -> dict[str, str]:
    """Return the speakers of the utterances of data directories that tell them."""
    from sre.io.tables import read_utt2spk

    tables = [read_utt2spk(folder / "utt2spk") for folder in folders if (folder / "utt2spk").is_file()]
    return {utt: speaker for table in tables for utt, speaker in table.items()}
