# exp/<name>/<run>/final.pt. Checkpoints are no outputs: Snakemake would delete them before and after a failed try.


def base_of(run):
    """The final.pt that the training of a run starts from; nothing where it starts afresh."""
    init = RECIPE.runs[run].init
    found = RECIPE.runs.get(init)
    return ((found.bundle or f"{EXP}/{init}/final.pt") if found else init) or []


def read_by(run, split):
    """What the network of a run reads of a split: features on disk, audio, or embeddings of another run."""
    asked = RECIPE.runs[run]
    if asked.of:
        return [f"{EXP}/{asked.of}/embeddings/{split}.scp"]
    return audio_index(split) if asked.source == "audio" else feats(split, asked.features)


def trained(run):
    """Whether a training is done, of what it reads and starts from now, and also the trainings of these."""
    init = RECIPE.runs[run].init
    development, base = bool(DEVELOPMENT["speakers"]), RECIPE.trainings.get(init)
    done = is_trained(Path(EXP) / run, RECIPE.trainings[run], development, base)
    done = done and stands(f"{EXP}/{run}/final.pt", [base_of(run)] if init else [])
    reads = [f"{DATA}/{TRAIN}/utt2spk", *read_by(run, TRAIN)]
    done = done and not outdated(f"{EXP}/{run}/final.pt", reads, f"{EXP}/{run}/log/train_embedding.json")
    return done and all(trained(other) for other in (init, RECIPE.runs[run].of) if other in RECIPE.trainings)


# asked here: Snakemake would put its own words around an error in an input function
TRAINED = {run for run in RECIPE.trainings if without_traceback(trained, run)}


def gates(wildcards):
    """The gates before a training. A finished training must not run again because of a new trial list: it has none."""
    if wildcards.run in TRAINED:
        return []
    return [f"{EXP}/gates.json", *[f"{EXP}/features_checked.json"] * RECIPE.needs_media]


def audio_options(run):
    """The option of a step whose network reads audio; nothing where it reads features."""
    return given("--audio", RECIPE.runs[run].source == "audio" and canonical(CONFIG["audio"]))


def embeddings_of(run):
    """The embeddings that a network on vectors is trained on, of each split; nothing for other networks."""
    return [path for split in (TRAIN, *copies_of(run)) for path in read_by(run, split)] if RECIPE.runs[run].of else []


def read_of_copies(run):
    """What a network is trained on beside TRAIN."""
    return [path for split in copies_of(run) for path in (f"{DATA}/{split}/utt2spk", *read_by(run, split))]


def watched_lists(run):
    """The evaluation lists whose EER a training tells, and their embeddings; none where it is done, as of gates."""
    if run in TRAINED or not RECIPE.trainings[run]["validation"].get("lists"):
        return {}
    return {name: read_by(run, item.split)[0] for name, item in TRIALS.items() if role_of(name) == "evaluation"}


def classifier_of(run):
    """The extractor whose softmax the loss of a run starts from; nothing where it starts afresh."""
    of = RECIPE.runs[run].of
    if RECIPE.trainings[run].get("head") != "extractor":
        return []
    if RECIPE.runs[of].embeddings:
        raise WorkflowError(f"model {run}: embeddings {of} are from elsewhere, without a softmax; take head away")
    return RECIPE.runs[of].bundle or f"{EXP}/{of}/final.pt"


def options_on_vectors(run):
    """The options of the step for a training on embeddings."""
    lists = watched_lists(run)
    return [
        *given("--classifier", classifier_of(run)),
        *repeated("--list", [f"{name}={DATA}/trials/{name}" for name in lists]),
        *repeated("--list-embeddings", [f"{name}={scp}" for name, scp in lists.items()]),
        *repeated("--list-enroll", [f"{name}={path}" for name in lists for path in enroll_map(name)]),
    ]


def cards_of(run):
    """Return how many of the cards of this run of Snakemake (--resources gpu=N) a training counts as."""
    cards = workflow.global_resources.get("gpu").value or 1
    devices = RECIPE.runs[run].asked.get("devices", 1)
    return cards if devices == "all" else min(devices, cards)


def options_of_training(asked):
    """Return the options of the step for the keys of a training that decide nothing of its network."""
    return [word for key, value in asked.items() for word in (f"--{key.replace('_', '-')}", str(value))]


rule train_embedding:
    input:
        gates,
        lambda wildcards: read_by(wildcards.run, TRAIN),
        lambda wildcards: read_of_copies(wildcards.run),
        utt2spk=f"{DATA}/{TRAIN}/utt2spk",
        init=lambda wildcards: base_of(wildcards.run),
        noises=lambda wildcards: manifest("noise", distort_of(wildcards.run)),
        rooms=lambda wildcards: manifest("room", distort_of(wildcards.run)),
        classifier=lambda wildcards: classifier_of(wildcards.run),
        lists=lambda wildcards: [
            path
            for name, scp in watched_lists(wildcards.run).items()
            for path in (scp, f"{DATA}/trials/{name}", *enroll_map(name))
        ],
    output:
        "{exp}/{run}/final.pt",
        "{exp}/{run}/train_summary.json",
    log:
        "{exp}/{run}/log/train_embedding.log",
    wildcard_constraints:
        run=one_of(RECIPE.trainings),
    priority: 10
    retries: 2
    threads: CORES
    resources:
        gpu=lambda wildcards: cards_of(wildcards.run),
        all_cores=int(not HAS_CUDA),
        attempt=lambda wildcards, attempt: attempt,
    params:
        **UNHEARD_ASKED,
        # functions of `input` are not compared between runs by Snakemake
        config=lambda wildcards: canonical(RECIPE.trainings[wildcards.run]),
        audio=lambda wildcards, input: audio_options(wildcards.run),
        more=lambda wildcards, input: [
            *repeated("--data", [f"{DATA}/{split}" for split in copies_of(wildcards.run)]),
            *manifest_options(distort_of(wildcards.run)),
            *repeated("--feats", embeddings_of(wildcards.run)),
            *["--development"] * bool(DEVELOPMENT["speakers"]),
            *given("--init", base_of(wildcards.run)),
            *options_on_vectors(wildcards.run),
            *options_of_training(RECIPE.runs[wildcards.run].asked),
        ],
    shell:
        job(
            "steps.train_embedding {params.config} --data {DATA}/{TRAIN} {params.more} {params.audio}"
            " --device {CONFIG[device]} {output[0]}",
            "--attempt {resources.attempt}",
        )


rule train:
    input:
        expand("{exp}/{run}/final.pt", exp=EXP, run=RECIPE.trainings),
