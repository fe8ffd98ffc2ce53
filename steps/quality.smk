# data/<split>/quality/<features>: utt2quality, for systems with quality measures. Of the stage feats.

VERSION_SPLITS = [item.split for item in CORPUS.versions]
MEASURED = [*LISTED_SPLITS, *VERSION_SPLITS] if RECIPE.measures is not None else []


def measured_split(split):
    """Of the split to train on, only the utterances of the development list are measured."""
    return f"{TRAIN}_dev" if split == TRAIN else split


def seen_by(run):
    """The features that a network sees, made of audio or on disk, as their qualities are named; of the first in a chain."""
    while RECIPE.runs[run].of:
        run = RECIPE.runs[run].of
    return ("audio." if RECIPE.runs[run].source == "audio" else "") + str(RECIPE.runs[run].features)


def made_of_audio(features):
    """The option with the config of features that are made of audio; nothing for those on disk."""
    heard = features.startswith("audio.")
    return given("--features", canonical(RECIPE.heard[features.removeprefix("audio.")]) if heard else [])


def quality(run, split):
    """The qualities of a split's utterances; nothing where no system needs them."""
    return [f"{DATA}/{measured_split(split)}/quality/{seen_by(run)}"] * (split in MEASURED)


def counts(wildcards):
    """The frames, with a VAD the voiced ones, or the samples of a split's utterances."""
    split = TRAIN if wildcards.split == f"{TRAIN}_dev" else wildcards.split
    if wildcards.features.startswith("audio."):
        return audio_index(split)[0]
    folder = f"{DATA}/{split}/feats/{wildcards.features}"
    has_vad = RECIPE.features[wildcards.features]["vad"] and split not in FEATS_ONLY
    return f"{folder}/utt2num_voiced" if has_vad else f"{folder}/utt2num_frames"


def versions(wildcards):
    """The embeddings and qualities of the development list's versions, for its own scoring."""
    run, there = wildcards.run, VERSION_SPLITS if wildcards.list == DEV else []
    return [path for split in there for path in (f"{EXP}/{run}/embeddings/{split}.scp", *quality(run, split))]


rule measure_quality:
    input:
        "{data}/{split}/utt2spk",
        counts=counts,
        wav=lambda wildcards: "{data}/{split}/wav.scp" if "snr" in RECIPE.measures else [],
    output:
        "{data}/{split}/quality/{features}",
    log:
        "{data}/{split}/quality/log/measure_quality.{features}.log",
    wildcard_constraints:
        split=one_of({measured_split(split) for split in MEASURED}),
        features=r"(audio\.)?[a-z0-9_]+",
    threads: lambda wildcards: min(NJ, CORES) if "snr" in RECIPE.measures else 1
    params:
        snr=["--snr", "--audio", canonical(CONFIG["audio"])] if "snr" in (RECIPE.measures or []) else [],
        made=lambda wildcards: made_of_audio(wildcards.features),
        version=stage_version("feats"),
    shell:
        job(
            "steps.measure_quality {wildcards.data}/{wildcards.split} {input.counts} {output} {params.snr} {params.made}"
            " --nj {threads}"
        )
