# exp/<name>/<run>/embeddings/<split>.scp over archives by shard.


rule extract_embeddings:
    input:
        model="{exp}/{run}/final.pt",
        feats=lambda wildcards: feats(
            wildcards.split, RECIPE.runs[wildcards.run]["features"]
        ),
        utt2spk=f"{DATA}/{{split}}/utt2spk",
    output:
        multiext("{exp}/{run}/embeddings/{split}/embeddings.{shard}", ".ark", ".scp"),
    log:
        "{exp}/{run}/log/extract_embeddings.{split}.{shard}.log",
    wildcard_constraints:
        exp=re.escape(EXP),
    resources:
        gpu=int(HAS_CUDA),
    params:
        nj=NJ,
        version=version("embed"),
    shell:
        "{PYTHON} steps.extract_embeddings {input.model} $(dirname {input.utt2spk}) $(dirname {output[0]})"
        " --feats {input.feats[0]} --shard {wildcards.shard}/{params.nj} --device {CONFIG[device]} "
        + TEE


rule join_embeddings:
    input:
        shards=expand(
            "{{exp}}/{{run}}/embeddings/{{split}}/embeddings.{shard}.scp", shard=SHARDS
        ),
        feats=lambda wildcards: feats(
            wildcards.split, RECIPE.runs[wildcards.run]["features"]
        ),
    output:
        "{exp}/{run}/embeddings/{split}.scp",
    log:
        "{exp}/{run}/log/join_embeddings.{split}.log",
    wildcard_constraints:
        exp=re.escape(EXP),
    shell:
        "{PYTHON} steps.join_embeddings {input.shards} {input.feats[0]} {output} " + TEE


rule embed:
    input:
        expand(
            "{exp}/{run}/embeddings/{split}.scp",
            exp=EXP,
            run=RECIPE.runs,
            split=SPLITS,
        ),
