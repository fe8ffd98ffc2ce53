"""The pipeline's steps: rules (*.smk), and a command for each rule, of the same name.

The other commands are for use by hand, and their docstrings say so: analyse_errors, apply_calibration, calibrate,
compute_identification, compute_metrics, compute_thresholds, copy_plda, fuse, make_curves, make_enhancement_lists,
make_fbank, make_mfcc, make_model_table, make_results, make_tensorboard, normalize_scores, score_crops, score_trials,
segment_speech.
record_job runs every job of a rule, and arguments.py has the arguments that several commands share.
"""
