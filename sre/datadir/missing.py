"""The utterances that utt2spk promises, and what another table lacks of them: said, and bounded.

What a stage rejected stands in rejected.tsv with its reason, and its share was judged there.
"""

from collections.abc import Collection
from pathlib import Path

from sre import SreError
from sre.datadir.rejected import rejected_in
from sre.io.ids import alike, shown
from sre.io.name_tables import absent
from sre.machine.log import say, warn

MOST_MISSING = 0.1  # of the promised utterances may be missing without being rejected, which then is only said


def check_promised(
    what: object, promised: object, utts: Collection[str], found: Collection[str], *folders: Path
) -> None:
    """Say how many of `utts`, those of the table `promised`, are not among `found`.

    what : begins the message; names the source of `found`
    folders : where rejected.tsv may say why
    Raises SreError where more than MOST_MISSING of them are missing and in no rejected.tsv.
    """
    missing = sorted(set(absent(utts, found)))
    if not missing:
        return
    places = [place for folder in folders for place in (folder, folder / "audio", *folder.glob("feats/*"))]
    rejected = {row[0] for place in places for row in rejected_in(place)}
    unexplained = [utt for utt in missing if utt not in rejected]
    example = next(iter(unexplained), missing[0])
    text = (
        f"{what}: {len(missing)} of the {len(utts)} utterances of {promised} are not there"
        f" ({len(missing) - len(unexplained)} rejected), e.g. {shown(example)}{alike(example, found)}"
    )
    if len(unexplained) > MOST_MISSING * len(utts):
        raise SreError(f"{text}; make it again, or take them out of {promised} (sre data subset)")
    (warn if unexplained else say)(text)
