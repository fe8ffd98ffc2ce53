# The gates before features are made, and the development list, which is made of training speakers.

if CORPUS is None:
    raise WorkflowError(
        f"recipes/{CONFIG['recipe']}/data.smk: it calls no corpus(); write"
        " corpus(train=SPLIT, lists=[TrialList(NAME, SPLIT)])"
    )
WHOLE, IDENTIFICATION = CORPUS.train, CONFIG.get("identification")
if IDENTIFICATION:
    CORPUS = without_traceback(CORPUS.with_unheard, IDENTIFICATION)
CORPUS = without_traceback(CORPUS.with_conditions, CONFIG["conditions"])
if CONFIG.get("triplet_trials"):
    CORPUS = without_traceback(CORPUS.with_triplets)
DEVELOPMENT = CONFIG["development"]
DEV = CORPUS.development.name if DEVELOPMENT["speakers"] else None
if DEV:
    CORPUS = CORPUS.with_development()
if RECIPE.measures is not None:
    CORPUS = without_traceback(CORPUS.with_versions, CONFIG["quality"], CONFIG["conditions"])
# From here on these names are the corpus', whatever the recipe's data.smk used them for.
TRAIN, ADAPT, FEATS_ONLY, UNHEARD = CORPUS.train, CORPUS.adapt, CORPUS.feats_only, CORPUS.unheard
SPLITS, LISTED_SPLITS = CORPUS.splits, CORPUS.listed_splits
COPIES_USED = {name: copy for run in RECIPE.trainings.values() for name, copy in run.get("copies", {}).items()}
TRAIN_COPIES = {f"{TRAIN}_{name}": Copy(TRAIN, **copy, suffix=f"-{name}") for name, copy in COPIES_USED.items()}
AUDIO_SPLITS = [*(split for split in SPLITS if split not in FEATS_ONLY), *TRAIN_COPIES]
without_traceback(RECIPE.check_media, FEATS_ONLY)
TRIALS = {item.name: item for item in CORPUS.lists}
TRAINED_BEFORE = trained_before(RECIPE.runs, RECIPE.trainings)  # networks whose speakers are in no trial list
NOTES = [*CORPUS.notes, *RECIPE.notes]
CHECKPOINTS = sum(most_at_once(run["training"]) for run in RECIPE.trainings.values())
# what gates are asked: as a param, which Snakemake compares between runs, and as options of their commands
ASKED = {
    "train": TRAIN,
    "trials": {item.name: {"split": item.split, "enroll": item.has_enroll_map} for item in CORPUS.lists},
}
# what is fitted on TRAIN_heard is not what is fitted on all of TRAIN: a param of these jobs, where there is one
UNHEARD_ASKED = {"unheard": canonical(IDENTIFICATION)} if UNHEARD else {}
LIST_OPTIONS = ["--train", TRAIN]
LIST_OPTIONS += repeated("--list", [f"{item.name}={item.split}" for item in CORPUS.lists])
LIST_OPTIONS += repeated("--enroll", [item.name for item in CORPUS.lists if item.has_enroll_map])


def gates_before(made, sources, record=None):
    """The gates before a job whose output does not stand yet. What stands must not be made again for a new trial list.

    Not ancient(): where the rule of an ancient file runs, Snakemake 9 forgets all other reasons for what comes after.
    """
    return [] if without_traceback(stands, made, sources, record) else [f"{EXP}/gates.json"]


def media(split):
    """What features are made from; nothing where no run needs any."""
    name = "feats.scp" if split in FEATS_ONLY else "wav.scp"
    return [f"{DATA}/{split}/{name}"] if RECIPE.needs_media else []


def audio_index(split):
    """What has to stand there before networks can read a split's audio; nothing where none does."""
    return [f"{DATA}/{split}/audio/{name}" for name in ("utt2num_samples", "config") if RECIPE.from_audio]


def enroll_map(name):
    """Return the enrolment map of a list, if it has one."""
    return [f"{DATA}/trials/{name}.enroll"] if TRIALS[name].has_enroll_map else []


rule check_recipe:
    input:
        utt2spk=expand("{data}/{split}/utt2spk", data=DATA, split=SPLITS),
        media=[path for split in SPLITS for path in media(split)],
        trials=expand("{data}/trials/{list}", data=DATA, list=TRIALS),
        maps=[path for name in TRIALS for path in enroll_map(name)],
        before=list(TRAINED_BEFORE.values()),
    output:
        f"{EXP}/gates.json",
    log:
        f"{EXP}/log/check_recipe.log",
    # the gates before hours are spent: trial ids, overlap of speakers, disk
    priority: 20  # before what may run beside it
    params:
        job=canonical(
            {
                **ASKED,
                "others": [ADAPT] if ADAPT else [],
                "notes": NOTES,
                "features": RECIPE.features,
                "checkpoints": CHECKPOINTS,
                "version": stage_version("data"),
            }
            | ({"bundles": TRAINED_BEFORE} if TRAINED_BEFORE else {})
            | UNHEARD_ASKED
        ),
        # a function of `input`: Snakemake does not compare it between runs
        options=lambda wildcards, input: [
            *given("--adapt", ADAPT),
            *given("--unheard", UNHEARD),
            *given("--source", CORPUS.source),
            *repeated("--bundle", [f"{name}={path}" for name, path in TRAINED_BEFORE.items()]),
            *repeated("--features", [f"{n}={canonical(c)}" for n, c in RECIPE.features.items()]),
            *repeated("--copy", TRAIN_COPIES),
            *repeated("--note", NOTES),
        ],
    shell:
        job("steps.check_recipe {DATA} {output} {LIST_OPTIONS} {params.options} --checkpoints {CHECKPOINTS}")


rule make_development_trials:
    input:
        f"{DATA}/{TRAIN}/utt2spk",
    output:
        f"{DATA}/trials/{TRAIN}_dev",
        f"{DATA}/trials/{TRAIN}_dev.speakers",
    log:
        f"{DATA}/trials/log/{TRAIN}_dev.log",
    params:
        speakers=DEVELOPMENT["speakers"],
        utterances=DEVELOPMENT["utterances"],
        version=stage_version("data"),
    shell:
        job(
            "steps.make_development_trials {input} {output}"
            " --speakers {params.speakers} --utterances {params.utterances}"
        )


rule index_audio:
    # for networks on audio: how long its utterances are
    input:
        wav="{data}/{split}/wav.scp",
        utt2spk="{data}/{split}/utt2spk",
    output:
        "{data}/{split}/audio/utt2num_samples",
        "{data}/{split}/audio/config",
    log:
        "{data}/{split}/audio/log/index_audio.log",
    wildcard_constraints:
        split=one_of(AUDIO_SPLITS),
    params:
        audio=canonical(CONFIG["audio"]),
    shell:
        job(
            "steps.index_audio {wildcards.data}/{wildcards.split} {wildcards.data}/{wildcards.split}/audio"
            " --audio {params.audio} --max-rejected {MAX_REJECTED}"
        )


rule data:
    input:
        rules.check_recipe.input,
        rules.check_recipe.output,
