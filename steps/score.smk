# exp/<name>/<run>/backends/<back-end>.npz and scores/<trials>/metrics.json, one job a run and trial list.


rule train_backend:
    input:
        embeddings=f"{{exp}}/{{run}}/embeddings/{TRAIN}.scp",
        utt2spk=f"{DATA}/{TRAIN}/utt2spk",
    output:
        "{exp}/{run}/backends/{backend}.npz",
    log:
        "{exp}/{run}/log/train_backend.{backend}.log",
    wildcard_constraints:
        exp=re.escape(EXP),
    threads: CORES
    params:
        config=lambda wildcards: canonical(RECIPE.backends[wildcards.backend]),
        version=version("score"),
    shell:
        "{PYTHON} steps.train_backend {params.config:q} --embeddings {input.embeddings} --utt2spk {input.utt2spk}"
        " --record-failure {output} " + TEE


rule score_trials:
    input:
        trials=f"{DATA}/trials/{{trials}}",
        enroll=lambda wildcards: enroll_map(wildcards.trials),
        embeddings=lambda wildcards: f"{EXP}/{wildcards.run}/embeddings/{TRIALS[wildcards.trials]['split']}.scp",
        cohort=f"{{exp}}/{{run}}/embeddings/{TRAIN}.scp",
        utt2spk=f"{DATA}/{TRAIN}/utt2spk",
        backends=expand(
            "{{exp}}/{{run}}/backends/{backend}.npz", backend=RECIPE.backends
        ),
    output:
        "{exp}/{run}/scores/{trials}/metrics.json",
    log:
        "{exp}/{run}/log/score_trials.{trials}.log",
    wildcard_constraints:
        exp=re.escape(EXP),
    threads: CORES
    params:
        job=lambda wildcards: canonical(
            {
                "run": wildcards.run,
                "model": RECIPE.models[wildcards.run],
                "seed": RECIPE.runs[wildcards.run]["seed"],
                "systems": RECIPE.systems,
                "version": STAGE_VERSIONS["score"],
            }
        ),
        enroll=lambda wildcards, input: (
            f"--enroll-map {input.enroll}" if input.enroll else ""
        ),
        backends=lambda wildcards, input: " ".join(
            f"--backend {path}" for path in input.backends
        ),
    shell:
        "{PYTHON} steps.score_systems {params.job:q} {input.trials} --embeddings {input.embeddings} {params.enroll}"
        " --cohort {input.cohort} --cohort-utt2spk {input.utt2spk} {params.backends} {output} "
        + TEE


rule score:
    input:
        expand(
            "{exp}/{run}/scores/{trials}/metrics.json",
            exp=EXP,
            run=RECIPE.runs,
            trials=TRIALS,
        ),
