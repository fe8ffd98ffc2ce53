# Any Kaldi data directories: train_data, eval_data, trials (a list or {name: list}), enroll (a map or {name: map}),
# adapt_data. Where no run needs features, as with embeddings from elsewhere, they need only utt2spk.
from local.import_trials import applicable_map

TRAIN, EVAL = f"{RECIPE.name}_train", f"{RECIPE.name}_eval"
ADAPT = f"{RECIPE.name}_adapt" if CONFIG["adapt_data"] else None
SOURCES = {TRAIN: CONFIG["train_data"], EVAL: CONFIG["eval_data"]}
if ADAPT:
    SOURCES[ADAPT] = CONFIG["adapt_data"]
SOURCES = {  # without a slash at the end, of which Snakemake warns
    split: path and str(Path(path)) for split, path in SOURCES.items()
}


def custom_lists():
    """Trial list -> [its file, and its enrolment map if it has one]."""
    missing = [key for key in ("train_data", "eval_data", "trials") if not CONFIG[key]]
    if missing:
        raise SreError(
            f"recipe custom needs {', '.join(missing)}; give them with --config, e.g. {missing[0]}=PATH; or recordings=PATH"
        )
    lists = CONFIG["trials"] if isinstance(CONFIG["trials"], dict) else {"trials": CONFIG["trials"]}
    maps = CONFIG["enroll"] if isinstance(CONFIG["enroll"], dict) else dict.fromkeys(lists, CONFIG["enroll"])
    if unknown := sorted(set(maps) - set(lists)):
        raise SreError(f"enroll: '{unknown[0]}' is none of the trial lists {', '.join(lists)}; name it as its list")
    given = {name: run.embeddings for name, run in RECIPE.runs.items()}
    short = [name for name, embeddings in given.items() if embeddings and ADAPT and "adapt" not in embeddings]
    if short:
        raise SreError(f"embeddings.{short[0]}: no 'adapt', though there is adapt_data; name its embeddings")
    found = {}
    for name, path in lists.items():
        chosen = applicable_map(path, maps.get(name))
        found[f"{RECIPE.name}_{name}"] = [path, chosen] if chosen else [path]
    return found


LISTS = without_traceback(custom_lists)
FEATS_ONLY = [split for split, path in SOURCES.items() if RECIPE.needs_media and not (Path(path) / "wav.scp").exists()]
corpus(
    train=TRAIN,
    lists=[TrialList(name, EVAL, len(files) == 2) for name, files in LISTS.items()],
    feats_only=FEATS_ONLY,
    adapt=ADAPT,
    notes=[
        f"{SOURCES[split]} has features and no audio; they are used as they are, but for CMN." for split in FEATS_ONLY
    ],
)

for split in SOURCES:
    # All tables of the folder are copied. Inputs are those that features and labels come from: if one of them is edited,
    # the split is made again. If another table (spk2gender, text) is edited, it is not: no result depends on it.
    media_files = ["feats.scp" if split in FEATS_ONLY else "wav.scp"]
    if not RECIPE.needs_media:
        media_files = []
    segments = Path(SOURCES[split]) / "segments"

    rule:
        name:
            f"prepare_custom_{split.rpartition('_')[2]}"
        input:
            f"{SOURCES[split]}/utt2spk",
            [f"{SOURCES[split]}/{name}" for name in media_files],
            [str(segments)] * bool(media_files and segments.is_file()),
        output:
            multiext("{data}/{split}/", "utt2spk", "spk2utt", *media_files),
        log:
            "{data}/{split}/log/prepare.log",
        wildcard_constraints:
            split=split,
        params:
            source=SOURCES[split],
            options=AUDIO_OPTIONS + " --tables-only" * (not media_files),
            version=stage_version("data"),
        shell:
            job(
                "local.prepare_custom {params.source} {wildcards.data}/{wildcards.split} {params.options:u}"
                " --max-rejected {MAX_REJECTED}"
            )


for name, files in LISTS.items():

    rule:
        name:
            f"import_trials_{name.removeprefix(RECIPE.name + '_')}"
        input:
            files,
        output:
            f"{DATA}/trials/{name}",
            [f"{DATA}/trials/{name}.enroll"] * (len(files) - 1),
        log:
            f"{DATA}/trials/log/{name}.log",
        params:
            enroll=lambda wildcards, input, output: (["--enroll", input[1], output[1]] if len(input) > 1 else []),
            source=files,
            version=stage_version("data"),
        shell:
            job("local.import_trials {input[0]} {output[0]} {params.enroll}")
