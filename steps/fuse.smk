# Fusions of systems of several models, of the stage score: exp/<name>/<fusion>/scores/<list>/metrics.json, as of a run.


def fused_files(wildcards):
    """MODEL/SYSTEM=FILE of each system that is fused, in the order of their weights."""
    inputs = RECIPE.fusions[wildcards.run].inputs
    return [f"{named}={EXP}/{run}/scores/{wildcards.list}/metrics.json" for named, run in inputs.items()]


rule fuse_systems:
    input:
        trials=f"{DATA}/trials/{{list}}",
        enroll=lambda wildcards: enroll_map(wildcards.list),
        speakers=lambda wildcards: f"{DATA}/{TRIALS[wildcards.list].split}/utt2spk",
        scored=lambda wildcards: expand(
            "{exp}/{run}/scores/{list}/metrics.json",
            exp=EXP,
            run=RECIPE.fusions[wildcards.run].runs,
            list=wildcards.list,
        ),
        development=lambda wildcards: (
            f"{EXP}/{wildcards.run}/scores/{DEV}/metrics.json" if wildcards.list != DEV else []
        ),
    output:
        "{exp}/{run}/scores/{list}/metrics.json",
    log:
        "{exp}/{run}/log/fuse_systems.{list}.log",
    wildcard_constraints:
        run=one_of(RECIPE.fusions),
    params:
        job=lambda wildcards: canonical(
            {
                "fusion": RECIPE.fusions[wildcards.run].config,
                "role": role_of(wildcards.list),
                "p_target": CONFIG["development"]["p_target"],
                "bootstrap": CONFIG["bootstrap"],
                "version": STAGE_VERSIONS["score"],
            }
        ),
        name=lambda wildcards: RECIPE.fusions[wildcards.run].system,
        # a function of `input`: Snakemake does not compare it between runs
        asked=lambda wildcards, input: [
            *("--model", RECIPE.fusions[wildcards.run].model),
            *("--seed", RECIPE.fusions[wildcards.run].seed),
            *(given("--condition", condition_of(wildcards.list)) or ("--role", role_of(wildcards.list))),
            *given("--enroll-map", input.enroll),
            *given("--development", input.development),
            *repeated("--input", fused_files(wildcards)),
        ],
    shell:
        job(
            "steps.fuse_systems {params.name} {input.trials} --run {wildcards.run} {params.asked}"
            " --utt2spk {input.speakers} --p-target {CONFIG[development][p_target]}"
            " --replicates {CONFIG[bootstrap][replicates]} --replicates-seed {CONFIG[bootstrap][seed]} {output}"
        )
