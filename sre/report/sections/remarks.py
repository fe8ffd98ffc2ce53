"""What a reader should watch for: results that look wrong, and numbers that are not to be relied on."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from sre.report.blocks import Block, Bullets
from sre.report.content import Content
from sre.report.ranking import Standing
from sre.report.rows import Group, Row, by_list
from sre.training.advice import Reading, on_waiting
from sre.training.summary import Trained

UNHEARD = 1.0  # what deciding without listening costs: the normalised cost, and bits
COSTS = {"act_dcf_0.05": "actDCF(0.05)", "cllr": "Cllr"}
SPEAKERS_PER_DIMENSION = 2  # a covariance of D dimensions has full rank from D + 1 speakers on, and is steady far above


def blocks(content: Content) -> list[Block]:
    remarks = [*plda_remarks(content.groups, content.runs), *few_speakers(content.groups)]
    for trials, standings in content.evaluations:
        remarks += costly(trials, standings)
    remarks += waiting(content.runs)
    return [Bullets(remarks)] if remarks else []


def plda_remarks(groups: Sequence[Group], runs: Mapping[str, Trained]) -> list[str]:
    """Return what to make of PLDA losing to cosine: expected of models trained with a margin loss, else not."""
    expected: list[str] = []
    odd: list[str] = []
    for trials, some in by_list(groups).items():
        for model in sorted({group.name[0] for group in some}):
            done = [group for group in some if group.done and group.name[0] == model]
            cosine = [group.mean("eer") for group in done if group.name[1].startswith("cosine")]
            plda = [group.mean("eer") for group in done if "plda" in group.name[1]]
            if cosine and plda and min(plda) > min(cosine):
                fact = f"{model} on {trials} ({min(plda):.3f} against {min(cosine):.3f} %)"
                (odd if _without_margin(model, runs) else expected).append(fact)
    remarks = []
    if expected:
        remarks.append(
            f"PLDA loses to cosine: {', '.join(expected)}. This is the expected case for embeddings trained with a"
            " margin loss and tested on matched data. The loss has made them comparable by angle, and PLDA has little"
            " left to do. The table says which differences are shown."
        )
    if odd:
        remarks.append(
            f"PLDA loses to cosine: {', '.join(odd)}. Training had no margin, and without one PLDA often helps. Look at"
            " the number of training speakers, the LDA dimension, and whether training and test data match."
        )
    return remarks


def _without_margin(model: str, runs: Mapping[str, Trained]) -> bool:
    """Return whether the training history says so; nothing is known of a model without one."""
    lines = [line for run in runs.values() if run.model == model for line in run.history]
    return bool(lines) and not any(line.get("margin") for line in lines)


def few_speakers(groups: Sequence[Group]) -> list[str]:
    """Return a sentence on each LDA whose dimension was cut, and on each PLDA fitted on few speakers."""
    rows: dict[str, Row] = {}
    for row in chain.from_iterable(group.done for group in groups):
        rows.setdefault(f"{row.model} {row.system.partition('+')[0]}", row)
    return list(dict.fromkeys(chain.from_iterable(_fitted(name, row) for name, row in rows.items())))


def _fitted(name: str, row: Row) -> Iterator[str]:
    asked, given, speakers = (row.outcome.backend.get(key) for key in ("lda_dim_asked", "lda_dim", "speakers"))
    if not isinstance(given, int):
        return
    on = f" of {speakers} speakers" if speakers else ""
    if isinstance(asked, int) and asked > given:
        yield f"LDA of `{name}` has {given} dimensions and not {asked} as asked: the training data{on} allow no more."
    if speakers and speakers < SPEAKERS_PER_DIMENSION * given:
        yield (
            f"The back-end `{name}` was fitted on {speakers} speakers for {given} dimensions. That is few: its"
            " covariance between speakers is not to be relied on. Fit it on more speakers, or lower the LDA dimension"
            " (`lda:N` in its chain)."
        )


def costly(trials: str, standings: Sequence[Standing]) -> Iterator[str]:
    """Yield sentences on systems whose decisions cost more than deciding without listening."""
    if said := misleading(trials, standings):
        yield said
    quoted = [one.group for one in standings if one.reference and one.group.done]
    quoted = [group for group in quoted if group.done[0].calibration is None and "act_dcf_0.05" in _dear(group)]
    if quoted:
        (name,) = (" ".join(group.name) for group in quoted)
        yield (
            f"On {trials}, actDCF(0.05) of `{name}` ({quoted[0].mean('act_dcf_0.05'):.2f}) is above 1, for its scores"
            " are no log-likelihood ratios. EER and minDCF do not depend on that. Calibrate the scores before a"
            " threshold is set by a cost."
        )


def misleading(trials: str, standings: Sequence[Standing]) -> str | None:
    """Return a sentence on calibrated and fused systems that cost more than deciding unheard, by actDCF or Cllr."""
    calibrated = [one.group for one in standings if one.group.done and one.group.done[0].calibration is not None]
    dear = [group for group in calibrated if _dear(group)]
    if not dear:
        return None
    fitted = {one.trials for group in dear if (one := group.done[0].calibration)}
    on = ", ".join(sorted(filter(None, fitted))) or "another list"
    which, holds = (
        ("their calibrations were", "do not hold") if len(dear) > 1 else ("its calibration was", "does not hold")
    )
    return (
        f"On {trials}, decisions by {', '.join(map(_named, dear))} cost more than deciding without listening, which"
        f" costs 1: {which} fitted on {on} and {holds} on {trials}. Calibrate on data like those of the list."
    )


def _dear(group: Group) -> dict[str, float]:
    """Return the costs that are above that of deciding unheard: key -> mean over the seeds."""
    means = {key: group.mean(key) for key in COSTS if group.values(key)}
    return {key: mean for key, mean in means.items() if mean > UNHEARD}


def _named(group: Group) -> str:
    costs = ", ".join(f"{COSTS[key]} {mean:.2f}" for key, mean in _dear(group).items())
    return f"`{' '.join(group.name)}` ({costs})"


def waiting(runs: Mapping[str, Trained]) -> Iterator[str]:
    """Yield a sentence on each training that waited for its data for much of its time, its first epoch aside."""
    for name, run in runs.items():
        rows = [row for row in run.history if row.get("data_wait") is not None and row.get("seconds")]
        seconds = sum(row["seconds"] or 0.0 for row in rows[1:])
        if seconds:
            share = sum((row["data_wait"] or 0.0) * (row["seconds"] or 0.0) for row in rows[1:]) / seconds
            rate = sum((row.get("utt_per_s") or 0.0) * (row["seconds"] or 0.0) for row in rows[1:]) / seconds
            if said := on_waiting(share, rate, Reading.told(run.summary.reading)):
                yield f"Training `{name}`: {said}."
