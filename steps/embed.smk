# exp/<name>/<run>/embeddings/<split>.scp over archives by shard.

IMPORTED = {name: run.embeddings for name, run in RECIPE.runs.items() if run.embeddings}
# TRAIN is last: a development list has the split to train on
ROLES = {**dict.fromkeys(LISTED_SPLITS, "eval"), ADAPT: "adapt", UNHEARD: "train", TRAIN: "train"}

EXTRACTION = as_options(RECIPE.extraction)


def gates_of_extraction(wildcards):
    """The gates before an extraction that is not done, or of another bundle."""
    run, name = f"{EXP}/{wildcards.run}", f"{wildcards.split}.{wildcards.shard}"
    made = f"{run}/embeddings/{wildcards.split}/embeddings.{wildcards.shard}.scp"
    bundle = RECIPE.runs[wildcards.run].bundle
    return gates_before(made, [bundle] if bundle else [], f"{run}/log/extract_embeddings.{name}.json")


rule extract_embeddings:
    input:
        gates_of_extraction,
        model=lambda wildcards: RECIPE.runs[wildcards.run].bundle or f"{EXP}/{wildcards.run}/final.pt",
        read=lambda wildcards: read_by(wildcards.run, wildcards.split),
        utt2spk=f"{DATA}/{{split}}/utt2spk",
    output:
        multiext("{exp}/{run}/embeddings/{split}/embeddings.{shard}", ".ark", ".scp"),
    log:
        "{exp}/{run}/log/extract_embeddings.{split}.{shard}.log",
    resources:
        gpu=int(HAS_CUDA),
    params:
        nj=NJ,
        bundle=lambda wildcards: RECIPE.runs[wildcards.run].bundle,
        version=" ".join([stage_version("embed"), *EXTRACTION]),
        # a function of `input`: Snakemake does not compare it between runs
        source=lambda wildcards, input: audio_options(wildcards.run) or ["--feats", input.read[0]],
    shell:
        job(
            "steps.extract_embeddings {input.model} {DATA}/{wildcards.split}"
            " {wildcards.exp}/{wildcards.run}/embeddings/{wildcards.split}"
            " {params.source} {EXTRACTION} --shard {wildcards.shard}/{params.nj} --device {CONFIG[device]}"
            " --max-rejected {MAX_REJECTED}"
        )


rule join_embeddings:
    input:
        shards=expand("{{exp}}/{{run}}/embeddings/{{split}}/embeddings.{shard}.scp", shard=SHARDS),
        read=lambda wildcards: read_by(wildcards.run, wildcards.split),
    output:
        "{exp}/{run}/embeddings/{split}.scp",
    log:
        "{exp}/{run}/log/join_embeddings.{split}.log",
    wildcard_constraints:
        run=one_of(set(RECIPE.runs) - set(IMPORTED)),
    params:
        # a function of `input`: Snakemake does not compare it between runs
        options=lambda wildcards, input: ["--of-embeddings"] * bool(RECIPE.runs[wildcards.run].of),
    shell:
        job("steps.join_embeddings {input.shards} {input.read[0]} {output} {params.options}")


rule import_embeddings:
    input:
        embeddings=lambda wildcards: IMPORTED[wildcards.run][ROLES[wildcards.split]],
        utt2spk=f"{DATA}/{{split}}/utt2spk",
    output:
        "{exp}/{run}/embeddings/{split}.scp",
        "{exp}/{run}/embeddings/{split}.ark",
    log:
        "{exp}/{run}/log/import_embeddings.{split}.log",
    wildcard_constraints:
        run=one_of(IMPORTED),
    params:
        source=lambda wildcards: IMPORTED[wildcards.run][ROLES[wildcards.split]],
    shell:
        job("steps.import_embeddings {input} {output}")


rule embed:
    input:
        expand("{exp}/{run}/embeddings/{split}.scp", exp=EXP, run=RECIPE.runs, split=SPLITS),
        expand(
            "{exp}/{run}/embeddings/{split}/embeddings.{shard}.scp",
            exp=EXP,
            run=[run for run in RECIPE.runs if run not in IMPORTED],
            split=SPLITS,
            shard=SHARDS,
        ),
