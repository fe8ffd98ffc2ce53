# Trial lists under other conditions, of the stage data: the same trials of utterances that were changed.

CONDITIONED = {item.split: item for item in CORPUS.lists if item.condition}  # several lists may share a split
CUT = [split for split, item in CONDITIONED.items() if item.condition.kind == "seconds"]
COPIED = {name: item.condition.of for name, item in TRIALS.items() if item.condition}
COPIED |= {f"{name}.enroll": f"{of}.enroll" for name, of in COPIED.items() if TRIALS[name].has_enroll_map}


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
    # a list, or its enrolment map
    input:
        lambda wildcards: f"{DATA}/trials/{COPIED[wildcards.table]}",
    output:
        "{data}/trials/{table}",
    log:
        "{data}/trials/log/{table}.log",
    wildcard_constraints:
        table=one_of(map(re.escape, COPIED)),
    params:
        version=stage_version("data"),
    shell:
        job("steps.copy_trials {input} {output}")
