# VoxCeleb1 and 2 in the layouts that are in use; the official trial lists from the user's files.
from local.import_voxceleb_trials import find_trial_lists
from local.prepare_voxceleb import find_voxceleb


def voxceleb_corpora():
    """Split -> (corpus, root, subset), and trial list -> its file; says what was looked for where there is none."""
    if not CONFIG["voxceleb1"]:
        raise SreError(
            "recipe voxceleb needs --config voxceleb1=DIR (it is the test set), and voxceleb2=DIR to train on"
        )
    find_voxceleb(CONFIG["voxceleb1"], "voxceleb1")
    lists = find_trial_lists(CONFIG["voxceleb1"])
    if not lists:
        raise SreError(
            f"{CONFIG['voxceleb1']}: no trial list; looked for veri_test[2].txt and list_test_{{all,hard}}[2].txt in it,"
            " its meta/ and trials/: put one there"
        )
    if not CONFIG["voxceleb2"]:
        root = CONFIG["voxceleb1"]
        return {"vox1_dev": ("voxceleb1", root, "dev"), "vox1_test": ("voxceleb1", root, "test")}, lists
    find_voxceleb(CONFIG["voxceleb2"], "voxceleb2")
    vox2 = ("voxceleb2", CONFIG["voxceleb2"], "dev")
    return {"vox2_dev": vox2, "vox1": ("voxceleb1", CONFIG["voxceleb1"], "all")}, lists


CORPORA, LISTS = without_traceback(voxceleb_corpora)
TRAIN, EVAL = CORPORA
# E and H are over all of VoxCeleb1: without VoxCeleb2 their speakers are in training
SKIPPED = [name for name in LISTS if TRAIN == "vox1_dev" and name.startswith(("vox1_e", "vox1_h"))]
USED = [name for name in LISTS if name not in SKIPPED]
if not USED:
    raise WorkflowError(
        f"all lists found ({', '.join(LISTS)}) have speakers of {TRAIN}; give voxceleb2, or veri_test2.txt"
    )
ABOUT = [f"Training on {TRAIN}, test on {EVAL}."]
if SKIPPED:
    ABOUT.append(f"{', '.join(SKIPPED)} were left out: their speakers are in {TRAIN}; give voxceleb2 to use them.")
corpus(train=TRAIN, lists=[TrialList(name, EVAL) for name in USED], notes=ABOUT)


rule prepare_voxceleb:
    input:
        ancient(lambda wildcards: CORPORA[wildcards.split][1]),
    output:
        multiext("{data}/{split}/", "utt2spk", "spk2utt", "wav.scp"),
    log:
        "{data}/{split}/log/prepare.log",
    wildcard_constraints:
        split="|".join(CORPORA),
    threads: CORES
    params:
        corpus=lambda wildcards: CORPORA[wildcards.split],
        options=AUDIO_OPTIONS,
        version=stage_version("data"),
    shell:
        job(
            "local.prepare_voxceleb {params.corpus[1]} {wildcards.data}/{wildcards.split}"
            " --corpus {params.corpus[0]} --subset {params.corpus[2]} {params.options:u}"
            " --max-rejected {MAX_REJECTED}"
        )


rule import_voxceleb_trials:
    input:
        lambda wildcards: str(LISTS[wildcards.list]),
    output:
        "{data}/trials/{list}",
    log:
        "{data}/trials/log/{list}.log",
    wildcard_constraints:
        list=one_of(USED),
    params:
        root=CONFIG["voxceleb1"],
        source=lambda wildcards: str(LISTS[wildcards.list]),
        version=stage_version("data"),
    shell:
        job("local.import_voxceleb_trials {params.root} {input} {output}")
