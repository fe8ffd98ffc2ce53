# Your own data: any recordings (recordings.smk), or Kaldi data directories with trial lists (data_dirs.smk).
from local.import_recordings import check_alone

if CONFIG["recordings"]:
    without_traceback(check_alone, CONFIG)


include: "recordings.smk" if CONFIG["recordings"] else "data_dirs.smk"
