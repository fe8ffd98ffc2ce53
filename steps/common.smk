# Names that every rule uses: the resolved recipe, where data/ and exp/ are, how a step is called.
import fcntl
import re
import shlex
import sys

from sre import SreError
from sre.config.checkpoints import most_at_once
from sre.config.copies import Copy, check_files
from sre.config.distort import MANIFESTS, codecs_in, kinds_in
from sre.config.corpus import TrialList, read_corpus
from sre.config.extraction import as_options
from sre.config.overrides import check_once, check_targets, read_config
from sre.config.recipe import load_recipe
from sre.config.resolve import needs_adaptation
from sre.config.runs import trained_before
from sre.config.stages import STAGE_VERSIONS
from sre.features.types import vad_listens
from sre.io.atomic import atomic_output
from sre.io.text import canonical
from sre.machine.cores import available_cores
from sre.training.summary import is_trained
from sre.workflow.memory import keep_in
from sre.workflow.paths import (
    absent_folders,
    check_inputs,
    check_logs,
    check_paths,
    check_root,
    check_submitted,
    check_times,
    quoted,
)
from sre.workflow.standing import outdated, stands


def without_traceback(function, *args):
    """Call a function, and turn our errors into Snakemake's: they end as one sentence, without a traceback."""
    try:
        return function(*args)
    except SreError as error:
        raise WorkflowError(str(error)) from None


# what was typed, for Snakemake reads 2024_11 as 202411 and true as text
CONFIG_SETTINGS = workflow.config_settings
without_traceback(check_once, sys.argv[1:])
config = without_traceback(
    read_config,
    BASE / "recipes",
    CONFIG_SETTINGS.configfiles,
    CONFIG_SETTINGS.config_args,
    CONFIG_SETTINGS.replace_workflow_config,
)
RECIPE = without_traceback(load_recipe, config, BASE / "recipes")
without_traceback(check_paths, RECIPE.paths, BASE)
without_traceback(check_inputs, RECIPE.paths)
CONFIG = RECIPE.config
# jobs of a cluster are given it through a shell
CONFIG_SETTINGS.config_args = [shlex.quote(entry) for entry in CONFIG_SETTINGS.config_args]
ROOT = Path(CONFIG["root"])
keep_in(ROOT)
DATA, EXP = str(ROOT / "data"), str(ROOT / "exp" / RECIPE.name)
without_traceback(check_root, [ROOT, ROOT / "data", ROOT / "exp", Path(EXP)])
if workflow.non_local_exec:
    without_traceback(check_submitted, [ROOT, BASE, Path.cwd()])
if CONSOLE:
    CONSOLE.page = f"{EXP}/report.html"
    CONSOLE.warnings += [*absent_folders(RECIPE.paths), *RECIPE.left_out]
NJ = CONFIG["nj"]
SHARDS = range(1, NJ + 1)
CORES = available_cores()
HAS_CUDA, FEATURES_ON_GPU = (
    CONFIG[key] == "cuda" or (CONFIG[key] == "auto" and Path("/dev/nvidia0").exists())
    for key in ("device", "features_device")
)
# The thread counts replace those that Snakemake exports from -j: no result may depend on -j.
ENVIRONMENT = "PYTHONPATH={BASE} OMP_NUM_THREADS={CORES} OPENBLAS_NUM_THREADS={CORES} MKL_NUM_THREADS={CORES}"
AUDIO_OPTIONS = f"--sample-rate {CONFIG['audio']['sample_rate']}" + " --resample" * CONFIG["audio"]["resample"]
AUDIO_OPTIONS += f" --channel {CONFIG['audio']['channel']}" if "channel" in CONFIG["audio"] else ""
MAX_REJECTED = CONFIG["max_rejected"]  # in shell lines only: tolerating more must not make anything again


def job(step, options=""):
    """Return the shell line of a step: its prints go into the job's log, <log>.json records how outputs were made."""
    record = "{sys.executable} -P -m steps.record_job {log} --inputs {input} --outputs {output}"
    return quoted(f"{ENVIRONMENT} {record} {options} -- {step}")


CORPUS = None  # the splits and trial lists, which the recipe's data.smk declares by calling corpus()


def corpus(**parts):
    """Declare the parts of sre.config.corpus.Corpus; a recipe's data.smk calls this once."""
    global CORPUS
    CORPUS = without_traceback(read_corpus, parts, f"recipes/{CONFIG['recipe']}/data.smk")


def repeated(option, values):
    """Return the words `option value` of each value."""
    return [word for value in values for word in (option, value)]


def given(option, value):
    """Return the words `option value`; none where there is no value."""
    return [option, value] if value else []


def one_of(names):
    """For wildcard_constraints; none matches nothing."""
    return "|".join(names) or "(?!)"


def distort_of(run):
    return RECIPE.trainings[run]["augment"].get("distort", [])


def stage_version(stage):
    return f"{stage} {STAGE_VERSIONS[stage]}"


# One run at a time in a root. Snakemake's own lock outlives a kill -9; this one the kernel releases.
RUN_LOCK = []  # holds the open file: the lock ends with it


onstart:
    ROOT.mkdir(parents=True, exist_ok=True)
    RUN_LOCK.append(open(ROOT / ".sre.lock", "a+"))
    try:
        fcntl.flock(RUN_LOCK[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise WorkflowError(
            f"{ROOT.absolute()}: another snakemake works in this root; wait for it, or take another one"
            " (--config root=FOLDER), where data and features are made again"
        )
    without_traceback(check_times, {str(path) for job in workflow.dag.needrun_jobs() for path in job.input})
    with atomic_output(f"{EXP}/command") as file:  # the report says how it is made again
        file.write(shlex.join(["snakemake", *sys.argv[1:]]) + "\n")


wildcard_constraints:
    # data and exp have one value each: as wildcards, files of all rules are written alike, {data}/… and {exp}/…
    data=re.escape(DATA),
    exp=re.escape(EXP),
    split="[a-z0-9_]+",
    features="[a-z0-9_]+",
    run="[a-z0-9_]+",
    list="[a-z0-9_]+",
    backend="[a-z0-9_]+",
    shard=r"\d+",
