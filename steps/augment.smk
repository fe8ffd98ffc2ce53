# Sound that is distorted, of the stage data: noises and rooms, and copies of splits as files.
from local import prepare_musan, prepare_rirs

OWN = Path(CORPUS.noises).parent if CORPUS.noises else None  # noises that the recipe makes
MUSAN = CONFIG["musan"] or (OWN and str(OWN / "musan"))
RIRS = CONFIG["rirs"] or (OWN and str(OWN / "RIRS_NOISES"))
RIRS_OF_MUSAN = CONFIG["rirs"] if CONFIG["musan"] else RIRS  # whose noises are beside those of MUSAN
COPIES = TRAIN_COPIES | CONDITION_COPIES


def categories(categories_of, *paths):
    """The categories of the files in paths: none is known where a rule makes them; None where there is no folder."""
    if not paths[0]:
        return None
    waits = OWN in Path(paths[0]).parents and not Path(CORPUS.noises).is_file()
    return [] if waits or not Path(paths[0]).is_dir() else categories_of(*map(Path, filter(None, paths)))


def check_distortions():
    """Stop where a model, a copy or a condition needs files that nobody gives, or a codec that is not installed."""
    there = {
        "noise": categories(prepare_musan.categories_of, MUSAN, RIRS_OF_MUSAN),
        "room": categories(prepare_rirs.categories_of, RIRS),
    }
    asked = {f"model {run}: augment.distort": distort_of(run) for run in RECIPE.trainings}
    for where, steps in (asked | {f"the copy {split}": copy.distort for split, copy in COPIES.items()}).items():
        check_files(steps, there, where)
        if names := codecs_in(steps):
            from sre.augment.codec import check_codecs  # with scipy, which takes a second

            check_codecs(names, CONFIG["audio"]["sample_rate"], f"{where}: ")
    for split, copy in COPIES.items():
        if copy.source in FEATS_ONLY:
            raise SreError(f"the copy {split}: {copy.source} has features and no audio to distort; take copies out")


without_traceback(check_distortions)


def manifest(kind, steps, held_out=False):
    """What has to stand there before a kind of distortion can be done; nothing where no step has it."""
    name = MANIFESTS[kind] + "_held_out" * held_out
    return [f"{DATA}/{name}/wav.scp"] if kind in kinds_in(steps) else []


def manifest_options(steps, held_out=False):
    """The options --noises and --rooms of a step, as far as they are needed."""
    folders = {"--noises": manifest("noise", steps, held_out), "--rooms": manifest("room", steps, held_out)}
    return [word for option, files in folders.items() if files for word in (option, str(Path(files[0]).parent))]


def copies_of(run):
    """The splits that a network is trained on beside TRAIN."""
    return [f"{TRAIN}_{name}" for name in RECIPE.trainings[run].get("copies", {})]


rule prepare_musan:
    input:
        ancient(CONFIG["musan"]) if CONFIG["musan"] else CORPUS.noises or [],
        ancient(CONFIG["rirs"]) if CONFIG["rirs"] else [],
    output:
        multiext("{data}/musan{part}/", "wav.scp", "utt2category", "reco2dur"),
    log:
        "{data}/musan{part}/log/prepare_musan.log",
    wildcard_constraints:
        part="|_held_out",
    params:
        folder=MUSAN,
        rirs=RIRS_OF_MUSAN,
        part=part_options,
        version=stage_version("data"),
        options=lambda wildcards, input: given("--rirs", RIRS_OF_MUSAN),
    shell:
        job(
            "local.prepare_musan {params.folder} {wildcards.data}/musan{wildcards.part} {params.options} {params.part}"
            " --max-rejected {MAX_REJECTED}"
        )


rule prepare_rirs:
    input:
        ancient(CONFIG["rirs"]) if CONFIG["rirs"] else CORPUS.noises or [],
    output:
        multiext("{data}/rirs{part}/", "wav.scp", "utt2category", "reco2dur"),
    log:
        "{data}/rirs{part}/log/prepare_rirs.log",
    wildcard_constraints:
        part="|_held_out",
    params:
        folder=RIRS,
        part=part_options,
        version=stage_version("data"),
    shell:
        job(
            "local.prepare_rirs {params.folder} {wildcards.data}/rirs{wildcards.part} {params.part}"
            " --max-rejected {MAX_REJECTED}"
        )


rule copy_distorted:
    input:
        lambda wildcards: multiext(f"{DATA}/{COPIES[wildcards.split].source}/", "utt2spk", "wav.scp"),
        noises=lambda wildcards: manifest("noise", COPIES[wildcards.split].distort, COPIES[wildcards.split].held_out),
        rooms=lambda wildcards: manifest("room", COPIES[wildcards.split].distort, COPIES[wildcards.split].held_out),
    output:
        multiext("{data}/{split}/", "utt2spk", "spk2utt", "wav.scp"),
    log:
        "{data}/{split}/log/copy_distorted.log",
    wildcard_constraints:
        split=one_of(COPIES),
    threads: CORES
    params:
        source=lambda wildcards: COPIES[wildcards.split].source,
        distort=lambda wildcards: COPIES[wildcards.split].text,
        seed=lambda wildcards: COPIES[wildcards.split].seed,
        suffix=lambda wildcards: COPIES[wildcards.split].suffix,
        audio=canonical(CONFIG["audio"]),
        version=stage_version("data"),
        # a function of `input`: Snakemake does not compare it between runs
        options=lambda wildcards, input: [
            *manifest_options(COPIES[wildcards.split].distort, COPIES[wildcards.split].held_out),
            *[f"--suffix={copy.suffix}" for copy in [COPIES[wildcards.split]] if copy.suffix],
        ],
    shell:
        job(
            "steps.copy_distorted {DATA}/{params.source} {wildcards.data}/{wildcards.split} --distort {params.distort}"
            " {params.options} --seed {params.seed} --audio {params.audio} --num-workers {threads}"
            " --max-rejected {MAX_REJECTED}"
        )


rule copy_vad:
    # that of the clean speech: noise would be taken for speech
    input:
        lambda wildcards: f"{DATA}/{TRAIN_COPIES[wildcards.split].source}/feats/{wildcards.features}/vad.scp",
        lambda wildcards: f"{DATA}/{TRAIN_COPIES[wildcards.split].source}/feats/{wildcards.features}/utt2num_voiced",
    output:
        multiext("{data}/{split}/feats/{features}/", "vad.scp", "utt2num_voiced"),
    log:
        "{data}/{split}/feats/{features}/log/copy_vad.log",
    wildcard_constraints:
        split=one_of(TRAIN_COPIES),
    params:
        suffix=lambda wildcards: TRAIN_COPIES[wildcards.split].suffix,
        version=stage_version("feats"),
    shell:
        job(
            "steps.copy_vad {DATA}/{TRAIN}/feats/{wildcards.features}"
            " {wildcards.data}/{wildcards.split}/feats/{wildcards.features} --suffix={params.suffix}"
        )
