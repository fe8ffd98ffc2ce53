# data/<split>/feats/<features>/: archives by shard, joined under one feats.scp.


def feats(split, features):
    """What has to stand there before features can be read."""
    folder = f"{DATA}/{split}/feats/{features}"
    has_vad = RECIPE.features[features]["vad"] and split not in FEATS_ONLY
    return [f"{folder}/feats.scp", f"{folder}/utt2num_frames", *([f"{folder}/vad.scp"] if has_vad else [])]


def feature_params(wildcards):
    return canonical(RECIPE.features[wildcards.features])


def feature_type(wildcards):
    return RECIPE.features[wildcards.features]["type"]


rule make_features:
    # it also reads segments, where there is one: a split is written whole, so that its utt2spk is as new
    input:
        wav="{data}/{split}/wav.scp",
        utt2spk="{data}/{split}/utt2spk",
    output:
        multiext("{data}/{split}/feats/{features}/feats.{shard}", ".ark", ".scp"),
        "{data}/{split}/feats/{features}/utt2num_frames.{shard}",
        "{data}/{split}/feats/{features}/rejected.{shard}.tsv",
    log:
        "{data}/{split}/feats/{features}/log/make_features.{shard}.log",
    wildcard_constraints:
        split=one_of(AUDIO_SPLITS),
    resources:
        gpu=int(FEATURES_ON_GPU),
    params:
        config=feature_params,
        kind=feature_type,
        audio=canonical(CONFIG["audio"]),
        nj=NJ,
    shell:
        job(
            "steps.make_features {params.kind} --device {CONFIG[features_device]} {wildcards.data}/{wildcards.split}"
            " {wildcards.data}/{wildcards.split}/feats/{wildcards.features}"
            " --config {params.config} --audio {params.audio} --shard {wildcards.shard}/{params.nj}"
        )


rule join_features:
    input:
        expand(
            "{{data}}/{{split}}/feats/{{features}}/{file}",
            file=[name.format(n) for n in SHARDS for name in ("feats.{}.scp", "rejected.{}.tsv", "utt2num_frames.{}")],
        ),
    output:
        multiext("{data}/{split}/feats/{features}/", "feats.scp", "utt2num_frames", "config"),
    log:
        "{data}/{split}/feats/{features}/log/join_features.log",
    wildcard_constraints:
        split=one_of(AUDIO_SPLITS),
    params:
        config=feature_params,
        kind=feature_type,
    shell:
        job(
            "steps.join_features {wildcards.data}/{wildcards.split}"
            " {wildcards.data}/{wildcards.split}/feats/{wildcards.features}"
            " --num-shards {NJ} --type {params.kind} --config {params.config} --max-rejected {MAX_REJECTED}"
        )


rule import_features:
    # a data dir with feats.scp and no audio
    input:
        "{data}/{split}/feats.scp",
    output:
        "{data}/{split}/feats/{features}/feats.scp",
        "{data}/{split}/feats/{features}/utt2num_frames",
        "{data}/{split}/feats/{features}/config",
    log:
        "{data}/{split}/feats/{features}/log/import_features.log",
    wildcard_constraints:
        split=one_of(FEATS_ONLY),
    params:
        config=feature_params,
        kind=feature_type,
    shell:
        job(
            "steps.import_features {wildcards.data}/{wildcards.split}"
            " {wildcards.data}/{wildcards.split}/feats/{wildcards.features}"
            " --type {params.kind} --config {params.config} --max-rejected {MAX_REJECTED}"
        )


def listens(wildcards):
    return vad_listens(RECIPE.features[wildcards.features])


rule compute_vad:
    input:
        "{data}/{split}/feats/{features}/feats.scp",
        wav=lambda wildcards: "{data}/{split}/wav.scp" if listens(wildcards) else [],
    output:
        multiext("{data}/{split}/feats/{features}/vad", ".ark", ".scp"),
        "{data}/{split}/feats/{features}/utt2num_voiced",
    log:
        "{data}/{split}/feats/{features}/log/compute_vad.log",
    wildcard_constraints:
        split=one_of(SPLITS),
    threads: lambda wildcards: min(NJ, CORES) if listens(wildcards) else 1
    params:
        config=lambda wildcards: canonical(RECIPE.features[wildcards.features]["vad"]),
        data=lambda wildcards, input: given("--data", input.wav and f"{wildcards.data}/{wildcards.split}"),
        audio=lambda wildcards, input: given("--audio", input.wav and canonical(CONFIG["audio"])),
    shell:
        job(
            "steps.compute_vad {input[0]} {wildcards.data}/{wildcards.split}/feats/{wildcards.features}"
            " --config {params.config} --max-rejected {MAX_REJECTED} --nj {threads} {params.data} {params.audio}"
        )


rule check_features:
    # the last gate before training: every utterance of a trial has features; counts what was lost on the way
    input:
        feats=[
            path
            for split in sorted({TRAIN, *LISTED_SPLITS})
            for features in RECIPE.features
            for path in feats(split, features)
        ],
        audio=[path for split in sorted({TRAIN, *LISTED_SPLITS}) for path in audio_index(split)],
        trials=expand("{data}/trials/{list}", data=DATA, list=TRIALS),
        maps=[path for name in TRIALS for path in enroll_map(name)],
    output:
        f"{EXP}/features_checked.json",
    log:
        f"{EXP}/log/check_features.log",
    params:
        job=canonical({**ASKED, "features": sorted(RECIPE.features)} | ({"audio": True} if RECIPE.from_audio else {})),
        options=lambda wildcards, input: [
            *repeated("--features", sorted(RECIPE.features)),
            *["--audio"] * bool(RECIPE.from_audio),
        ],
    shell:
        job("steps.check_features {DATA} {output} {LIST_OPTIONS} {params.options}")


rule feats:
    input:
        rules.check_features.output,
        [feats(split, features) for split in [*SPLITS, *TRAIN_COPIES] for features in RECIPE.features],
        [audio_index(split) for split in [*SPLITS, *TRAIN_COPIES]],
