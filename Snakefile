# Speaker recognition, from a corpus to a report. Stages: data feats train embed score report.
#   snakemake -j8                                recipe mini, to its report
#   snakemake -j8 --until train                  …, stop after training
#   snakemake -j8 --config recipe=librispeech corpus=/data/LibriSpeech
#   snakemake -j8 --config name=slow set=xvector.training.lr=0.05       any key of the recipe, or of a model
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from sre.workflow.console import attach
from sre.workflow.names import check_names

min_version("9.17")

BASE = Path(workflow.basedir)
CONSOLE = attach(workflow)  # what a person sees of a run


include: "steps/common.smk"


NAMES_BEFORE = dict(globals())


include: f"recipes/{CONFIG['recipe']}/data.smk"


NAMES_OF_RECIPE = dict(globals())


include: "steps/data.smk"
include: "steps/unheard.smk"
include: "steps/conditions.smk"
include: "steps/triplets.smk"
include: "steps/augment.smk"
include: "steps/feats.smk"
include: "steps/train.smk"
include: "steps/embed.smk"
include: "steps/quality.smk"
include: "steps/identify.smk"
include: "steps/score.smk"
include: "steps/fuse.smk"
include: "steps/report.smk"


without_traceback(check_names, NAMES_BEFORE, NAMES_OF_RECIPE, dict(globals()), f"recipes/{CONFIG['recipe']}/data.smk")


rule all:
    # Every stage is a target, not only the report. If an intermediate file is missing but the report exists, Snakemake
    # does nothing. The old report, left after a failed job or a deletion, would then pass for a new one.
    default_target: True
    input:
        rules.data.input,
        rules.feats.input if RECIPE.needs_media else [],
        rules.train.input,
        rules.embed.input,
        rules.score.input,
        rules.report.input,


without_traceback(check_logs, workflow.rules)
if workflow.is_main_process and "snakemake" in Path(sys.argv[0]).parts:
    without_traceback(check_targets, sys.argv[1:], [rule.name for rule in workflow.rules])
