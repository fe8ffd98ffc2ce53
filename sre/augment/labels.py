"""What a distorted copy has of its clean split beside the tables of its data directory: the VAD of features."""

from pathlib import Path

from sre.io.scp import read_scp, write_scp
from sre.io.tables import read_table, write_table


def copy_vad(folder: Path, out: Path, suffix: str) -> None:
    """Write the VAD of a split's features as that of a copy, with its utterance ids: vad.scp and utt2num_voiced.

    The decisions themselves stay in the archive of the split. Raises SreError where one of the two is missing.
    """
    for name, read, write in (("vad.scp", read_scp, write_scp), ("utt2num_voiced", read_table, write_table)):
        write(out / name, {f"{utt}{suffix}": value for utt, value in read(folder / name).items()})
