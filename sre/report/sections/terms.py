"""How to read the numbers: what each rate is, and how intervals and tests are made."""

from sre.io.text import exact
from sre.report.blocks import Block, Terms
from sre.report.content import Content

TERMS = (
    (
        "Trial, threshold",
        "A trial is accepted as the same speaker where its score is at or above the threshold. Equal scores are one"
        " threshold. No score was left out and none was sampled.",
    ),
    (
        "EER, equal error rate",
        "The error rate, in per cent, where the share of target trials rejected (P_miss) equals the share of nontarget"
        " trials accepted (P_fa). It is interpolated linearly between the two adjacent operating points where"
        " P_miss − P_fa changes sign.",
    ),
    (
        "minDCF(P_target)",
        "The least of C_miss · P_target · P_miss + C_fa · (1 − P_target) · P_fa over all thresholds, divided by"
        " min(C_miss · P_target, C_fa · (1 − P_target)), as in NIST's evaluation plans. 0 is perfect, 1 is no better"
        " than deciding without listening. Here COSTS.",
    ),
    (
        "actDCF(P_target)",
        "The same cost at the Bayes threshold ln(C_fa · (1 − P_target) / (C_miss · P_target)), which is right for"
        " scores that are natural-log likelihood ratios. Other scores are taken for such ratios as they are. Their"
        " actDCF then says what calibration has to mend.",
    ),
    (
        "Cllr, minCllr",
        "The cost of the likelihood ratios over all applications, in bits. 0 is perfect, 1 is what a system costs that"
        " never commits itself, and a misleading one costs more. minCllr is what is left after the best non-decreasing"
        " map of the scores, found on this very list.",
    ),
    (
        "95 % interval",
        "How the number would differ with other test speakers. It is made by the bootstrap over the speakers of the"
        " list: the mean over the seeds, plus and minus Student's t times the standard deviation over draws of"
        " speakers. The trained models are taken as they are. ± is the standard deviation over seeds.",
    ),
    (
        "Reference, against the reference",
        "The reference is what to quote: the primary system of the model that ranks highest, else the first on the"
        " development lists, else the lowest on the list itself. Differences to it and p are from the same draws of"
        " speakers. The interval beside a difference is of this one difference. p is corrected (Holm) for all systems"
        " of the list, so that an interval without 0 may go with a p above 0.05.",
    ),
    ("Mean over seeds", "Mean and range (least to greatest) of runs that differ in the seed only."),
    (
        "primary, chosen, best",
        "The primary system was named before anything was scored. The chosen one has its model's lowest mean (of equal"
        " ones the first) on the development list. The best has the lowest mean of the list, found afterwards. A"
        " primary system without a model's name is marked in every model.",
    ),
    (
        "(development)",
        "A list for choosing, calibrating and fusing systems. What was fitted on it looks better there than it is.",
    ),
)


def blocks(content: Content) -> list[Block]:
    costs = sorted({_costs(row.metrics) for group in content.groups for row in group.done})
    said = "; ".join(costs) or "nothing was scored"
    return [Terms([(term, meaning.replace("COSTS", said)) for term, meaning in TERMS])]


def _costs(metrics: dict) -> str:
    return f"C_miss = {exact(metrics['c_miss'])}, C_fa = {exact(metrics['c_fa'])}"
