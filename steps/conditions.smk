# Trial lists under other conditions, of the stage data: the same trials of utterances that were changed.

CONDITIONED = {item.split: item for item in CORPUS.lists if item.condition}  # several lists may share a split
CUT = [split for split, item in CONDITIONED.items() if item.condition.kind == "seconds"]
CONDITION_LISTS = one_of([name for name, item in TRIALS.items() if item.condition])


rule cut_utterances:
    input:
        lambda wildcards: f"{DATA}/{CONDITIONED[wildcards.split].source}/utt2spk",
        lambda wildcards: f"{DATA}/{CONDITIONED[wildcards.split].source}/wav.scp",
    output:
        multiext("{data}/{split}/", "utt2spk", "spk2utt", "wav.scp"),
    log:
        "{data}/{split}/log/cut_utterances.log",
    wildcard_constraints:
        split=one_of(CUT),
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


rule copy_trials:
    # the trials of a list under a condition
    input:
        lambda wildcards: f"{DATA}/trials/{TRIALS[wildcards.list].condition.of}",
    output:
        "{data}/trials/{list}",
    log:
        "{data}/trials/log/{list}.log",
    wildcard_constraints:
        list=CONDITION_LISTS,
    params:
        version=stage_version("data"),
    shell:
        job("steps.copy_trials {input} {output}")


rule copy_enroll_map:
    input:
        lambda wildcards: f"{DATA}/trials/{TRIALS[wildcards.list].condition.of}.enroll",
    output:
        "{data}/trials/{list}.enroll",
    log:
        "{data}/trials/log/{list}.enroll.log",
    wildcard_constraints:
        list=CONDITION_LISTS,
    params:
        version=stage_version("data"),
    shell:
        job("steps.copy_trials {input} {output}")
