# exp/<name>/<run>/backends/<back-end>.npz and scores/<list>/metrics.json, one job a run and trial list.
# backends_dev/ are fitted without the speakers of the development list, and score that list only.


def adaptation(wildcards):
    needed = needs_adaptation(RECIPE.backends[wildcards.backend])
    return f"{EXP}/{wildcards.run}/embeddings/{ADAPT}.scp" if needed else []


SYSTEMS = canonical({"systems": RECIPE.systems})


def role_of(name):
    return "development" if name == DEV else "condition" if TRIALS[name].condition else "evaluation"


def condition_of(name):
    return TRIALS[name].condition and TRIALS[name].condition.text


rule train_backend:
    input:
        embeddings=f"{{exp}}/{{run}}/embeddings/{TRAIN}.scp",
        utt2spk=f"{DATA}/{TRAIN}/utt2spk",
        adapt=adaptation,
        leave_out=lambda wildcards: (f"{DATA}/trials/{DEV}.speakers" if wildcards.suffix == "_dev" else []),
    output:
        "{exp}/{run}/backends{suffix}/{backend}.npz",
    log:
        "{exp}/{run}/log/train_backend{suffix}.{backend}.log",
    wildcard_constraints:
        suffix="|_dev",
    threads: CORES
    resources:
        all_cores=1,
    params:
        **UNHEARD_ASKED,
        config=lambda wildcards: canonical(RECIPE.backends[wildcards.backend]),
        adapt=lambda wildcards, input: given("--adapt", input.adapt),
        leave_out=lambda wildcards, input: given("--leave-out", input.leave_out),
        version=stage_version("score"),
    shell:
        job(
            "steps.train_backend {params.config} --embeddings {input.embeddings} --utt2spk {input.utt2spk}"
            " {params.adapt} {params.leave_out} --record-failure {output}"
        )


def gates_of_scoring(wildcards):
    """The gates before a list is scored that is not, or of which the trials are new."""
    trials = [f"{DATA}/trials/{wildcards.list}", *enroll_map(wildcards.list)]
    return gates_before(f"{EXP}/{wildcards.run}/scores/{wildcards.list}/metrics.json", trials)


rule score_systems:
    # its log is named score_trials, as in older versions, so that its record replaces theirs
    input:
        gates_of_scoring,
        trials=f"{DATA}/trials/{{list}}",
        enroll=lambda wildcards: enroll_map(wildcards.list),
        embeddings=lambda wildcards: f"{EXP}/{wildcards.run}/embeddings/{TRIALS[wildcards.list].split}.scp",
        speakers=lambda wildcards: f"{DATA}/{TRIALS[wildcards.list].split}/utt2spk",
        cohort=f"{{exp}}/{{run}}/embeddings/{TRAIN}.scp",
        utt2spk=f"{DATA}/{TRAIN}/utt2spk",
        backends=lambda wildcards: expand(
            "{exp}/{run}/backends{suffix}/{backend}.npz",
            exp=EXP,
            run=wildcards.run,
            suffix="_dev" if wildcards.list == DEV else "",
            backend=RECIPE.backends,
        ),
        development=lambda wildcards: (
            f"{EXP}/{wildcards.run}/scores/{DEV}/metrics.json" if DEV and wildcards.list != DEV else []
        ),
        quality=lambda wildcards: quality(wildcards.run, TRIALS[wildcards.list].split),
        versions=versions,
    output:
        "{exp}/{run}/scores/{list}/metrics.json",
    log:
        "{exp}/{run}/log/score_trials.{list}.log",
    wildcard_constraints:
        run=one_of(RECIPE.runs),
    threads: CORES
    resources:
        all_cores=1,
    params:
        **UNHEARD_ASKED,
        job=lambda wildcards: canonical(
            {
                "run": wildcards.run,
                "model": RECIPE.runs[wildcards.run].model,
                "seed": RECIPE.runs[wildcards.run].seed,
                "role": role_of(wildcards.list),
                "p_target": CONFIG["development"]["p_target"],
                "bootstrap": CONFIG["bootstrap"],
                "systems": RECIPE.systems,
                "version": STAGE_VERSIONS["score"],
            }
        ),
        asked=lambda wildcards, input: [
            *("--model", RECIPE.runs[wildcards.run].model),
            *("--seed", RECIPE.runs[wildcards.run].seed),
            *(given("--condition", condition_of(wildcards.list)) or ("--role", role_of(wildcards.list))),
        ],
        options=lambda wildcards, input: [
            *given("--enroll-map", input.enroll),
            *given("--development", input.development),
            *repeated("--backend", input.backends),
            *given("--quality", input.quality),
            *[word for at in range(0, len(input.versions), 2) for word in ("--version", *input.versions[at : at + 2])],
        ],
    shell:
        job(
            "steps.score_systems {SYSTEMS} {input.trials} --run {wildcards.run} {params.asked} --embeddings {input.embeddings}"
            " --utt2spk {input.speakers} --cohort {input.cohort} --cohort-utt2spk {input.utt2spk}"
            " {params.options} --p-target {CONFIG[development][p_target]}"
            " --replicates {CONFIG[bootstrap][replicates]} --replicates-seed {CONFIG[bootstrap][seed]} {output}"
        )


rule score:
    input:
        metrics=expand(
            "{exp}/{run}/scores/{list}/metrics.json",
            exp=EXP,
            run=[*RECIPE.runs, *RECIPE.fusions],
            list=TRIALS,
        ),
        backends=expand(
            "{exp}/{run}/backends{suffix}/{backend}.npz",
            exp=EXP,
            run=RECIPE.runs,
            suffix=["", "_dev"] if DEV else [""],
            backend=RECIPE.backends,
        ),
        identification=expand("{exp}/{run}/identification.json", exp=EXP, run=IDENTIFIED),
