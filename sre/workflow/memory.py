"""What Snakemake remembers of a root's files, by which it knows of changed parameters, stands in the root itself.

Its own place, .snakemake/metadata of the working directory, has records by the files' whole names: of a root that was
moved or copied it would know nothing, and take all of it for up to date, whatever was changed since.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

METADATA = ".snakemake/metadata"


def keep_in(root: Path) -> None:
    """Let Snakemake keep records of files below `root` in root/.snakemake, by their names in there.

    What it has in the working directory, of an earlier version, is taken along. Where its code is not as in the
    versions that are known, it is left alone.
    """
    from snakemake.persistence import file as persistence

    usual = getattr(persistence.FilePersistence, "_usual_record_path", persistence.FilePersistence._record_path)
    inside = os.path.abspath(root)

    def record_path(self: Any, subject: str, name: str) -> str:
        place = usual(self, subject, name)
        within = os.path.relpath(os.path.abspath(name), inside)
        if subject != self._metadata_path or within.startswith(os.pardir):
            return place
        own = usual(self, os.path.join(inside, METADATA), within)
        if own != place and os.path.exists(place) and not os.path.exists(own):
            with suppress(OSError):  # a dry run where nothing can be written
                os.makedirs(os.path.dirname(own), exist_ok=True)
                shutil.copyfile(place, own)
        return own if os.path.exists(own) or not os.path.exists(place) else place

    persistence.FilePersistence._usual_record_path = usual
    persistence.FilePersistence._record_path = record_path
