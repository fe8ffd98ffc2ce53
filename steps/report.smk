# exp/<name>/report.{tsv,md,html}: every model x system x trial list.


rule make_report:
    input:
        metrics=rules.score.input,
        summaries=expand(
            "{exp}/{run}/train_summary.json", exp=EXP, run=RECIPE.trainings
        ),
        gates=f"{EXP}/gates.json",
        features=f"{EXP}/features_checked.json" if RECIPE.features else [],
    output:
        multiext(f"{EXP}/report", ".tsv", ".md", ".html"),
    log:
        f"{EXP}/log/make_report.log",
    params:
        title=RECIPE.name,
        primary=(
            f"--primary {CONFIG['primary_system']}" if CONFIG["primary_system"] else ""
        ),
        summaries=lambda wildcards, input: (
            f"--summaries {input.summaries}" if input.summaries else ""
        ),
        results=canonical([sorted(RECIPE.runs), sorted(TRIALS)]),  # fewer of them are no newer input
        version=version("score"),
    shell:
        RECORDED
        + " steps.make_report $(dirname {output[0]}) --metrics {input.metrics} {params.summaries}"
        " --title {params.title} {params.primary} --notes {input.gates} " + TEE


rule report:
    input:
        rules.make_report.output,
