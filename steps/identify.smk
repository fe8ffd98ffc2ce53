# exp/<name>/<run>/identification.json, of the stage score, for recipes that ask for identification.

ENROLLED = [name for name, item in TRIALS.items() if item.has_enroll_map]
IDENTIFIED = [*RECIPE.runs, *(RECIPE.fusions if ENROLLED else [])] if UNHEARD else []


def before(run):
    """The network that was trained elsewhere and is what a run started from, or is itself; nothing where none is."""
    while run in RECIPE.trainings and RECIPE.runs[run].init in RECIPE.trainings:
        run = RECIPE.runs[run].init
    return (RECIPE.runs[run].bundle or base_of(run)) if run in RECIPE.runs else []


rule identify_speakers:
    input:
        metrics=lambda wildcards: expand(
            "{exp}/{run}/scores/{list}/metrics.json", exp=EXP, run=wildcards.run, list=ENROLLED
        ),
        embeddings=lambda wildcards: [
            f"{EXP}/{wildcards.run}/embeddings/{split}.scp"
            for split in (TRAIN, UNHEARD)
            if wildcards.run in RECIPE.runs
        ],
        utt2spk=[f"{DATA}/{split}/utt2spk" for split in (TRAIN, UNHEARD)],
        model=lambda wildcards: (f"{EXP}/{wildcards.run}/final.pt" if wildcards.run in RECIPE.trainings else []),
        before=lambda wildcards: before(wildcards.run),
    output:
        "{exp}/{run}/identification.json",
    log:
        "{exp}/{run}/log/identify_speakers.log",
    wildcard_constraints:
        run=one_of(IDENTIFIED),
    threads: CORES
    resources:
        all_cores=1,
    params:
        job=canonical([IDENTIFICATION, sorted(ENROLLED), CONFIG["bootstrap"], STAGE_VERSIONS["score"]]),
        # a function of `input`: Snakemake does not compare it between runs
        options=lambda wildcards, input: [
            *given("--model", input.model),
            *given("--before", input.before),
            *(["--metrics", *input.metrics] if input.metrics else []),
            *(
                [
                    *("--heard", f"{DATA}/{TRAIN}", "--unheard", f"{DATA}/{UNHEARD}"),
                    *("--embeddings", f"{EXP}/{wildcards.run}/embeddings"),
                ]
                if input.embeddings
                else []
            ),
        ],
        named=lambda wildcards: [
            word
            for run in [RECIPE.runs.get(wildcards.run) or RECIPE.fusions[wildcards.run]]
            for word in ("--name", run.model, "--seed", run.seed)
        ],
    shell:
        job(
            "steps.identify_speakers {output} --run {wildcards.run} {params.named} {params.options}"
            " --replicates {CONFIG[bootstrap][replicates]}"
        )
