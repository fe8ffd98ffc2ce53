# Trial lists under other conditions, of the stage data: the same trials of utterances that were changed.

CHANGED = [*CORPUS.lists, *CORPUS.versions]
CONDITIONED = {item.split: item for item in CHANGED if item.condition}  # several lists may share a split
CUT_SPLITS = [split for split, item in CONDITIONED.items() if item.condition.kind == "seconds"]
SAME_TRIALS = {name: item.condition.of for name, item in TRIALS.items() if item.condition}
SAME_TRIALS |= {f"{name}.enroll": f"{of}.enroll" for name, of in SAME_TRIALS.items() if TRIALS[name].has_enroll_map}
CONDITION_COPIES = {
    split: Copy(item.source, item.condition.distort, item.condition.seed, held_out=item.condition.held_out > 0)
    for split, item in CONDITIONED.items()
    if split not in CUT_SPLITS
}


def part_options(wildcards):
    """The options of a manifest's part: files are held out of training where conditions are to have files of their own."""
    share = CONFIG["conditions"]["held_out"]
    return given("--held-out", share) + ["--only-held-out"] * (wildcards.part != "")


rule cut_utterances:
    input:
        lambda wildcards: f"{DATA}/{CONDITIONED[wildcards.split].source}/utt2spk",
        lambda wildcards: f"{DATA}/{CONDITIONED[wildcards.split].source}/wav.scp",
    output:
        multiext("{data}/{split}/", "utt2spk", "spk2utt", "wav.scp"),
    log:
        "{data}/{split}/log/cut_utterances.log",
    wildcard_constraints:
        split=one_of(split for split in CUT_SPLITS if split not in FEATS_ONLY),
    params:
        source=lambda wildcards: CONDITIONED[wildcards.split].source,
        seconds=lambda wildcards: CONDITIONED[wildcards.split].condition.value,
        audio=canonical(CONFIG["audio"]),
        version=stage_version("data"),
    shell:
        job(
            "steps.cut_utterances {DATA}/{params.source} {wildcards.data}/{wildcards.split}"
            " --seconds {params.seconds} --audio {params.audio}"
        )


rule cut_features:
    input:
        lambda wildcards: multiext(f"{DATA}/{CONDITIONED[wildcards.split].source}/", "utt2spk", "feats.scp"),
    output:
        multiext("{data}/{split}/", "utt2spk", "spk2utt", "feats.scp"),
    log:
        "{data}/{split}/log/cut_features.log",
    wildcard_constraints:
        split=one_of(split for split in CUT_SPLITS if split in FEATS_ONLY),
    params:
        source=lambda wildcards: CONDITIONED[wildcards.split].source,
        seconds=lambda wildcards: CONDITIONED[wildcards.split].condition.value,
        version=stage_version("data"),
    shell:
        job("steps.cut_features {DATA}/{params.source} {wildcards.data}/{wildcards.split} --seconds {params.seconds}")


rule copy_listed:
    # the utterances of the development list, whose versions are made of them
    input:
        media(TRAIN),
        utt2spk=f"{DATA}/{TRAIN}/utt2spk",
        trials=f"{DATA}/trials/{TRAIN}_dev",
    output:
        multiext(f"{DATA}/{TRAIN}_dev/", "utt2spk", "spk2utt", "feats.scp" if TRAIN in FEATS_ONLY else "wav.scp"),
    log:
        f"{DATA}/{TRAIN}_dev/log/copy_listed.log",
    params:
        version=stage_version("data"),
    shell:
        job("steps.copy_listed {DATA}/{TRAIN} {input.trials} {DATA}/{TRAIN}_dev")


rule copy_trials:
    # a list, or its enrolment map
    input:
        lambda wildcards: f"{DATA}/trials/{SAME_TRIALS[wildcards.table]}",
    output:
        "{data}/trials/{table}",
    log:
        "{data}/trials/log/{table}.log",
    wildcard_constraints:
        table=one_of(map(re.escape, SAME_TRIALS)),
    params:
        version=stage_version("data"),
    shell:
        job("steps.copy_trials {input} {output}")
