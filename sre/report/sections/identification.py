"""How well each run names speakers: unheard utterances of training speakers, and lists with enrolled models."""

from collections.abc import Iterator

from sre.report.blocks import Block, Bullets, Cell, Line, Part, Table, Text
from sre.report.content import Content
from sre.scoring.identification import WAYS, IdentificationResult, Rates, UnheardResult

RANKS = (("rank 1, %", "rank_1"), ("rank 5, %", "rank_5"))
OPEN = (("FNIR at FPIR 1 %", "fnir_at_fpir_0.01"), ("FNIR at FPIR 10 %", "fnir_at_fpir_0.1"))
ABOUT = (
    "Utterances of training speakers were left out of every training, back-end and cohort. Each is searched for among"
    " the speakers of the training: a closed set. The classifier has the classes of the network's loss. The nearest"
    " mean is that of a speaker's training embeddings, by the cosine. Speakers who were trained on are easier than"
    " others, so this says nothing about strangers. Intervals draw the speakers."
)


def blocks(content: Content) -> list[Block]:
    """Return nothing where no identification was asked for."""
    named = [(result, result.unheard) for result in content.identified if result.unheard]
    found: list[Block] = []
    if named:
        lines = [line for result, unheard in named for line in _lines(result, unheard)]
        head = ["run", "way", *(heading for heading, _ in RANKS), "utterances", "speakers", "note"]
        table = Table("Unheard utterances of training speakers that are named right", head, [Part("", "", lines)])
        found += [Text(ABOUT), table, Bullets(list(dict.fromkeys(_remarks(named[0][1]))))]
    parts = [
        Part(name, "", [_searched(result, system, rates) for result in content.identified for system, rates in
                        result.lists.get(name, {}).items()])
        for name in dict.fromkeys(name for result in content.identified for name in result.lists)
    ]  # fmt: skip
    if parts:
        head = ["system", *(heading for heading, _ in (*RANKS, *OPEN)), "searches", "of nobody enrolled", "models"]
        found.append(Table("Each test utterance among the enrolled models that its list tries it against", head, parts))
    return found


def _lines(result: IdentificationResult, unheard: UnheardResult) -> Iterator[Line]:
    size = [f"{unheard.utterances:,}", f"{unheard.speakers:,}"]
    for way, name in WAYS.items():
        if way in unheard.ways:
            cells = [_cell(unheard.ways[way], key) for _, key in RANKS]
            yield Line([result.run, name, *cells, *size, unheard.remark])
        else:
            yield Line([result.run, name], "failed", unheard.reasons.get(way, "no utterance, or a single speaker"))


def _remarks(unheard: UnheardResult) -> Iterator[str]:
    """Yield what weakens the numbers."""
    if unheard.in_heard_sessions:
        yield (
            f"{unheard.in_heard_sessions:,} of the utterances are of a session or recording that was trained on, which"
            " is easier: a network also knows a room and a microphone again."
        )
    if unheard.of_others:
        yield f"{unheard.of_others:,} more are of speakers that are held out of training, and are not searched for."
    if unheard.not_embedded:
        yield f"{unheard.not_embedded:,} have no embedding."


def _searched(result: IdentificationResult, system: str, rates: Rates) -> Line:
    cells = [_cell(rates, key) for _, key in (*RANKS, *OPEN)]
    counts = [f"{rates[name]:,}" for name in ("searches", "nonmated", "models_max")]
    return Line([f"{result.run} {system}", *cells, *counts])


def _cell(rates: Rates, name: str) -> Cell:
    """Return a rate in per cent with its interval; nothing where it is not there."""
    if rates.get(name) is None:
        return Cell("")
    bounds = rates["intervals"].get(name)
    return Cell(f"{100 * rates[name]:.2f}", f"{100 * bounds[0]:.2f} to {100 * bounds[1]:.2f}" if bounds else "")
