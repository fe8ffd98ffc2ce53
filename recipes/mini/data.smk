# A corpus of synthetic speech, generated on the spot in LibriSpeech's layout.
TRAIN, EVAL, LIST = "mini_train", "mini_test", "mini"
PARTS = {TRAIN: "train-mini", EVAL: "test-mini"}
corpus(
    train=TRAIN,
    lists=[TrialList(LIST, EVAL)],
    notes=[
        "The corpus is synthetic speech (espeak-ng): its numbers say that the chain works, and nothing about real"
        " speakers."
    ],
    noises=f"{DATA}/mini_noises/MADE",
)


rule make_mini_corpus:
    output:
        "{data}/mini_corpus/SPEAKERS.TXT",
    log:
        "{data}/log/make_corpus.log",
    threads: CORES
    params:
        seed=CONFIG["corpus_seed"],
        version=stage_version("data"),
    shell:
        job("local.make_mini_corpus {wildcards.data}/mini_corpus --seed {params.seed} --num-workers {threads}")


rule make_mini_noises:
    output:
        "{data}/mini_noises/MADE",
    log:
        "{data}/log/make_noises.log",
    threads: CORES
    params:
        seed=CONFIG["corpus_seed"],
        version=stage_version("data"),
    shell:
        job("local.make_mini_noises {wildcards.data}/mini_noises --seed {params.seed} --num-workers {threads}")


rule prepare_librispeech:
    input:
        "{data}/mini_corpus/SPEAKERS.TXT",
    output:
        multiext("{data}/{split}/", "utt2spk", "spk2utt", "wav.scp"),
    log:
        "{data}/{split}/log/prepare.log",
    wildcard_constraints:
        split="|".join(PARTS),
    params:
        part=lambda wildcards: PARTS[wildcards.split],
        options=AUDIO_OPTIONS,
        version=stage_version("data"),
    shell:
        job(
            "local.prepare_librispeech {wildcards.data}/mini_corpus {wildcards.data}/{wildcards.split}"
            " --parts {params.part} {params.options:u} --max-rejected {MAX_REJECTED}"
        )


rule make_librispeech_trials:
    input:
        f"{DATA}/{EVAL}/utt2spk",
    output:
        f"{DATA}/trials/{LIST}",
    log:
        f"{DATA}/trials/log/{LIST}.log",
    params:
        seed=CONFIG["trials_seed"],
        version=stage_version("data"),
    shell:
        job("local.make_librispeech_trials {DATA}/{EVAL} {output} --seed {params.seed}")
