"""Kaldi's fbank of a data dir, as archives with feats.scp, utt2num_frames, config and rejected.tsv.

e.g.: python -m steps.make_fbank data/mini_train data/mini_train/feats/fbank80

For use by hand: no rule calls it. In a recipe steps.make_features does it.
"""

from sre.machine.log import run
from steps import make_features


def main(argv: list[str] | None = None) -> None:
    make_features.main(argv, "fbank", __doc__)


if __name__ == "__main__":
    run(main)
