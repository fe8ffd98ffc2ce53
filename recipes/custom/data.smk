# Your own data: any recordings (recordings.smk), or Kaldi data directories with trial lists (data_dirs.smk).
REPLACED = [key for key in ("train_data", "eval_data", "trials", "enroll") if CONFIG[key]]
if CONFIG["recordings"] and REPLACED:
    raise WorkflowError(
        f"recordings is in place of {REPLACED[0]}, and both are given; take one out. For trials of your own, import the"
        " recordings by sre data import, and give train_data, eval_data and trials"
    )


include: "recordings.smk" if CONFIG["recordings"] else "data_dirs.smk"
