# What a recipe's data.smk has set: TRAIN (split), TRIALS (list -> {"split": …, "enroll": bool}), NOTES (sentences for
# the report), FEATS_ONLY (splits without audio), and rules for data/<split>/ and data/trials/<list>[.enroll].

EVAL_SPLITS = sorted({trial["split"] for trial in TRIALS.values()})
SPLITS = sorted({TRAIN, *EVAL_SPLITS})


def media(split):
    return f"{DATA}/{split}/{'feats.scp' if split in FEATS_ONLY else 'wav.scp'}"


def enroll_map(trials):
    return [f"{DATA}/trials/{trials}.enroll"] if TRIALS[trials]["enroll"] else []


rule check_recipe:
    # the gates before hours are spent: trial ids, overlap of speakers, disk
    input:
        utt2spk=expand("{data}/{split}/utt2spk", data=DATA, split=SPLITS),
        media=[media(split) for split in SPLITS],
        trials=expand("{data}/trials/{trials}", data=DATA, trials=TRIALS),
        maps=[path for trials in TRIALS for path in enroll_map(trials)],
    output:
        f"{EXP}/gates.json",
    log:
        f"{EXP}/log/check_recipe.log",
    params:
        job=canonical(
            {
                "data": DATA,
                "train": TRAIN,
                "trials": TRIALS,
                "notes": NOTES,
                "features": RECIPE.features,
                "checkpoints": sum(
                    run["training"]["average_last"] + 2 for run in RECIPE.runs.values()
                ),
                "version": version("data"),
            }
        ),
    shell:
        "{PYTHON} steps.check_recipe {params.job:q} {output} " + TEE


rule data:
    input:
        rules.check_recipe.input,
        rules.check_recipe.output,
