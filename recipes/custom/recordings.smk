# Any recordings: a folder, a list, a manifest, or a Kaldi data directory. Imported, speakers split into train and test,
# trials made of the latter.
from local.import_recordings import media_of

SOURCE, READ_AS, MADE = str(Path(CONFIG["recordings"])), CONFIG["recordings_as"], CONFIG["made_trials"]
ALL, TRAIN, EVAL = (f"{RECIPE.name}_{part}" for part in ("all", "train", "eval"))
LIST, TESTED = f"{RECIPE.name}_trials", CONFIG["test_speakers"]
MEDIA = without_traceback(media_of, SOURCE, READ_AS["format"], READ_AS["columns"], f"{DATA}/{ALL}")
WHO = f"{100 * TESTED:g} % of the speakers" if isinstance(TESTED, float) else f"the speakers in {TESTED}"
corpus(
    train=TRAIN,
    source=ALL,
    lists=[TrialList(LIST, EVAL, bool(MADE["enrol"]))],
    feats_only=[TRAIN, EVAL] if MEDIA == "feats.scp" else [],
    notes=[f"The recordings are {SOURCE}, tested on {WHO}; the trials were made here (seed {CONFIG['trials_seed']})."],
)


def words_of(asked):
    """The options of a command for the keys of a section; what is null, empty, true or false has none."""
    for key, value in asked.items():
        value = ",".join(f"{name}={column}" for name, column in value.items()) if isinstance(value, dict) else value
        if value not in (None, "") and not isinstance(value, bool):  # 0 and 1 are asked for
            yield f"--{key.replace('_', '-')}={value}"


rule import_recordings:
    input:
        # what is new in a folder is not looked for
        ancient(SOURCE) if Path(SOURCE).is_dir() else SOURCE,
    output:
        multiext(f"{DATA}/{ALL}/", "utt2spk", "spk2utt", MEDIA),
    log:
        f"{DATA}/{ALL}/log/import.log",
    threads: CORES
    params:
        source=SOURCE,
        out=f"{DATA}/{ALL}",
        read_as=list(words_of(READ_AS)),
        options=AUDIO_OPTIONS,
        version=stage_version("data"),
    shell:
        job(
            "local.import_recordings {params.source} {params.out} {params.read_as} {params.options:u}"
            " --max-rejected {MAX_REJECTED}"
        )


rule split_recordings:
    input:
        multiext(f"{DATA}/{ALL}/", "utt2spk", MEDIA),
        speakers=[TESTED] * (not isinstance(TESTED, float)),
    output:
        [path for split in (TRAIN, EVAL) for path in multiext(f"{DATA}/{split}/", "utt2spk", "spk2utt", MEDIA)],
    log:
        f"{DATA}/{ALL}/log/split.log",
    params:
        splits=[f"{DATA}/{split}" for split in (ALL, TRAIN, EVAL)],
        tested=TESTED,
        seed=CONFIG["trials_seed"],
        version=stage_version("data"),
    shell:
        job("local.split_recordings {params.splits} --test {params.tested} --seed {params.seed}")


rule make_trials:
    input:
        f"{DATA}/{EVAL}/utt2spk",
    output:
        f"{DATA}/trials/{LIST}",
        [f"{DATA}/trials/{LIST}.enroll"] * bool(MADE["enrol"]),
    log:
        f"{DATA}/trials/log/{LIST}.log",
    params:
        data=f"{DATA}/{EVAL}",
        asked=[
            *words_of(MADE if MADE["enrol"] else {key: value for key, value in MADE.items() if key != "models"}),
            *["--same-session"] * (not MADE["other_sessions"]),
            *["--cross-gender"] * (not MADE["same_gender"]),
        ],
        seed=CONFIG["trials_seed"],
        version=stage_version("data"),
    shell:
        job(
            "local.make_trials {params.data} {output[0]} {params.asked} --seed {params.seed}"
            + " --enroll-map {output[1]}" * bool(MADE["enrol"])
        )
