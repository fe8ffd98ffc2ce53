# What a recipe's data.smk has set: TRAIN (split), TRIALS (list -> {"split": …, "enroll": bool}), ADAPT (split or None),
# NOTES (sentences for the report), FEATS_ONLY (splits without audio), and rules for data/<split>/ and
# data/trials/<list>[.enroll]. The development list, made of training speakers, joins TRIALS here.

EVAL_SPLITS = sorted({trial["split"] for trial in TRIALS.values()})
SPLITS = sorted({TRAIN, *EVAL_SPLITS, *([ADAPT] if ADAPT else [])})
DEVELOPMENT = CONFIG["development"]
DEV = f"{TRAIN}_dev" if DEVELOPMENT["speakers"] else None
if DEV:
    TRIALS[DEV] = {"split": TRAIN, "enroll": False}


def media(split):
    """What features are made from; nothing where no run needs features."""
    name = "feats.scp" if split in FEATS_ONLY else "wav.scp"
    return [f"{DATA}/{split}/{name}"] if RECIPE.features else []


def enroll_map(trials):
    return [f"{DATA}/trials/{trials}.enroll"] if TRIALS[trials]["enroll"] else []


rule check_recipe:
    # the gates before hours are spent: trial ids, overlap of speakers, disk
    input:
        utt2spk=expand("{data}/{split}/utt2spk", data=DATA, split=SPLITS),
        media=[path for split in SPLITS for path in media(split)],
        trials=expand("{data}/trials/{trials}", data=DATA, trials=TRIALS),
        maps=[path for trials in TRIALS for path in enroll_map(trials)],
    output:
        f"{EXP}/gates.json",
    log:
        f"{EXP}/log/check_recipe.log",
    params:
        job=canonical(
            {
                "train": TRAIN,
                "trials": TRIALS,
                "others": [ADAPT] if ADAPT else [],
                "notes": NOTES + RECIPE.notes,
                "features": RECIPE.features,
                "checkpoints": sum(
                    run["training"]["average_last"] + 2
                    for run in RECIPE.trainings.values()
                ),
                "version": version("data"),
            }
        ),
    shell:
        job("steps.check_recipe {params.job} {DATA} {output}")


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
        version=version("data"),
    shell:
        job(
            "steps.make_development_trials {input} {output}"
            " --speakers {params.speakers} --utterances {params.utterances}"
        )


rule data:
    input:
        rules.check_recipe.input,
        rules.check_recipe.output,
