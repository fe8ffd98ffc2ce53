"""Names of utterances, speakers, recordings and models: what may stand in them, and how they are shown.

Blanks and control characters part nothing in a table but look like it, marks of no width look like nothing: both are
named with their code points. Ids are compared by code point, so that e + U+0301 is not U+00E9.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable

from sre import SreError

UNSEEN = {"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"}  # controls, marks without width, halves of code points, blanks
FILLERS = re.compile(  # called letters or marks, of which nothing is seen
    "[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)


def is_plain(name: str) -> bool:
    """Return whether all of a name can be seen, and no blank is in it; the quick answer for most names."""
    return name.isprintable() and " " not in name and (name.isascii() or not FILLERS.search(name))


def unseen(name: str) -> list[str]:
    """Return the characters of a name that cannot be seen, in their order."""
    return [] if is_plain(name) else list(filter(_is_unseen, name))


def _is_unseen(char: str) -> bool:
    return unicodedata.category(char) in UNSEEN or FILLERS.match(char) is not None


def called(char: str) -> str:
    """Return a character's code point and name: `U+FEFF (ZERO WIDTH NO-BREAK SPACE)`."""
    name = unicodedata.name(char, "")
    return f"U+{ord(char):04X}" + (f" ({name})" if name else "")


def shown(name: str) -> str:
    """Return a name for a message: what cannot be seen is escaped, and marks that could be one with a letter."""
    name = name.encode("utf-8", "backslashreplace").decode()
    apart = not unicodedata.is_normalized("NFC", name)
    hidden = set(filter(_is_unseen, name)) - {" "}
    hidden |= {char for char in name if apart and unicodedata.combining(char)}
    return "".join(char.encode("unicode_escape").decode() if char in hidden else char for char in name)


def check_ids(where: object, names: Iterable[str], what: str = "id") -> None:
    """Raise SreError naming the first that is empty, or has a character that cannot be seen, and its code point."""
    for name in names:
        if found := unseen(name):
            raise SreError(f"{where}: the {what} '{shown(name)}' has {called(found[0])} in it; rename it")
        if not name:
            raise SreError(f"{where}: an empty {what}; write one")


def check_known(where: object, names: Iterable[str], known: Collection[str], source: object) -> None:
    """Raise SreError naming the first of those that `source` does not have, with their number."""
    known = set(known)
    missing = sorted(set(names) - known)
    if missing:
        example = shown(missing[0]) + alike(missing[0], known)
        raise SreError(f"{where}: {len(missing)} are not in {source}, e.g. {example}; mend the list")


def alike(name: str, known: Collection[str]) -> str:
    """Return what a message says after an unknown name: which of the known ones looks the same; "" if none does."""
    wanted = _looks(name)
    twin = next((other for other in known if other != name and _looks(other) == wanted), None)
    if twin is None:
        return ""
    odd = [called(char) for char in name if char not in twin]
    theirs = [called(char) for char in twin if char not in name]
    parts = [f"with {', '.join(odd)}"] * bool(odd) + [f"without {', '.join(theirs)}"] * bool(theirs)
    return f" (not '{shown(twin)}', which looks the same: {' and '.join(parts) or 'their characters differ'})"


def _looks(name: str) -> str:
    if name.isascii() and name.isprintable():
        return name
    return "".join(char for char in unicodedata.normalize("NFC", name) if not _is_unseen(char))
