# exp/<name>/report.{tsv,md,html}: every model x system x trial list; errors/<list>/ of each list's leader.


rule make_report:
    input:
        metrics=rules.score.input.metrics,
        summaries=expand("{exp}/{run}/train_summary.json", exp=EXP, run=RECIPE.trainings),
        gates=f"{EXP}/gates.json",
        features=f"{EXP}/features_checked.json" if RECIPE.needs_media else [],
        identification=rules.score.input.identification,
    output:
        f"{EXP}/report.tsv",
        f"{EXP}/report.md",
        report(f"{EXP}/report.html", category="Results"),
    log:
        f"{EXP}/log/make_report.log",
    params:
        **UNHEARD_ASKED,
        title=RECIPE.name,
        metric=CONFIG["metric"],
        features=lambda wildcards, input: given("--features", input.features),
        primary=given("--primary", CONFIG["primary_system"]),
        summaries=lambda wildcards, input: (["--summaries", *input.summaries] if input.summaries else []),
        identification=lambda wildcards, input: (
            ["--identification", *input.identification] if input.identification else []
        ),
        results=canonical([sorted([*RECIPE.runs, *RECIPE.fusions]), sorted(TRIALS)]),  # fewer of them are no newer input
        version=stage_version("score"),  # the report has no version: its form is not compared
    shell:
        job(
            "steps.make_report {EXP} --metrics {input.metrics} {params.summaries}"
            " --title {params.title} {params.primary} --metric {params.metric}"
            " --gates {input.gates} {params.features} {params.identification} --command {EXP}/command"
        )


rule report:
    input:
        rules.make_report.output,
