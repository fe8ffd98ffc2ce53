# Utterances of training speakers that nothing is trained on, of the stage data: data/<train>_heard and _unheard.

if UNHEARD and not RECIPE.needs_media:
    raise WorkflowError("identification: no run reads audio or features, so no utterance is left unheard; take it out")


if UNHEARD:

    rule split_unheard:
        input:
            media(WHOLE),
            utt2spk=f"{DATA}/{WHOLE}/utt2spk",
        output:
            [path for split in (TRAIN, UNHEARD) for path in multiext(f"{DATA}/{split}/", "utt2spk", "spk2utt")],
            [path for split in (TRAIN, UNHEARD) for path in media(split)],
        log:
            f"{DATA}/{UNHEARD}/log/split_unheard.log",
        params:
            asked=[word for key, value in IDENTIFICATION.items() for word in (f"--{key}", value)],
            version=stage_version("data"),
        shell:
            job("steps.split_unheard {DATA}/{WHOLE} {DATA}/{TRAIN} {DATA}/{UNHEARD} {params.asked}")
