# Lists of random triplets, of the stage data: one beside each list of the recipe's own.


rule make_triplet_trials:
    input:
        "{data}/{split}/utt2spk",
    output:
        "{data}/trials/{split}_triplets",
    log:
        "{data}/trials/log/{split}_triplets.log",
    wildcard_constraints:
        split=one_of(SPLITS if CONFIG.get("triplet_trials") else []),
    params:
        triplets=CONFIG.get("triplet_trials"),
        seed=CONFIG["trials_seed"],
        version=stage_version("data"),
    shell:
        job("steps.make_triplet_trials {input} {output} --triplets {params.triplets} --seed {params.seed}")
