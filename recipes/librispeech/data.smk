# LibriSpeech's official layout: the parts that exist; speaker = reader; frozen trial lists.
from local.prepare_librispeech import parts_present


def librispeech_parts():
    if not CONFIG["corpus"]:
        raise SreError("recipe librispeech needs --config corpus=DIR, the folder that holds train-clean-100 and so on")
    return parts_present(CONFIG["corpus"])


PARTS = without_traceback(librispeech_parts)
CUT = CONFIG["cut_seconds"]
TRAIN = "ls_train"
EVAL_PARTS = {f"ls_{part.replace('-', '_')}": part for part in PARTS if not part.startswith("train-")}
FOUND = f"LibriSpeech parts found: {', '.join(PARTS)}."
PIECES = f"Training utterances longer than {CUT or 0:g} s were cut into segments of {CUT or 0:g} s."
corpus(train=TRAIN, lists=[TrialList(split, split) for split in EVAL_PARTS], notes=[FOUND, PIECES] if CUT else [FOUND])


rule prepare_librispeech:
    # it also writes utt2dur, utt2chapter, spk2gender and segments (BESIDE in sre/config/stages.py): as old as utt2spk
    input:
        ancient(CONFIG["corpus"]),
    output:
        multiext("{data}/{split}/", "utt2spk", "spk2utt", "wav.scp"),
    log:
        "{data}/{split}/log/prepare.log",
    wildcard_constraints:
        split="|".join([TRAIN, *EVAL_PARTS]),
    threads: CORES
    params:
        corpus=CONFIG["corpus"],
        parts=lambda wildcards: EVAL_PARTS.get(wildcards.split, " ".join(p for p in PARTS if p.startswith("train-"))),
        cut=lambda wildcards: (
            f"--cut-seconds {CUT} --cut-only-if-single" if CUT and wildcards.split not in EVAL_PARTS else ""
        ),
        options=AUDIO_OPTIONS,
        version=stage_version("data"),
    shell:
        job(
            "local.prepare_librispeech {params.corpus} {wildcards.data}/{wildcards.split}"
            " --parts {params.parts:u} {params.cut:u} {params.options:u} --max-rejected {MAX_REJECTED}"
        )


rule make_librispeech_trials:
    input:
        "{data}/{split}/utt2spk",
    output:
        "{data}/trials/{split}",
    log:
        "{data}/trials/log/{split}.log",
    wildcard_constraints:
        split="|".join(EVAL_PARTS),
    params:
        seed=CONFIG["trials_seed"],
        version=stage_version("data"),
    shell:
        job("local.make_librispeech_trials {wildcards.data}/{wildcards.split} {output} --seed {params.seed}")
