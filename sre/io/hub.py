"""Files of a model on a Hugging Face hub, by the package huggingface_hub: `hf:NAME[@REVISION]`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from sre import SreError

PREFIX = "hf:"
CURE = "or download its files elsewhere and give their folder"


class Fetched(NamedTuple):
    """The folder in the hub's cache with the files, and the commit that they are of."""

    folder: Path
    revision: str


def fetch(given: str, choose: Callable[[Sequence[str]], list[str]]) -> Fetched:
    """Download files of the model `hf:NAME[@REVISION]`, or find them in the cache; all are of one commit.

    choose : the names of those that are wanted, of all of its names
    Raises SreError where the package is not installed, the hub is not reached, or has no such model.
    """
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError:
        raise SreError(f"{given}: needs the package huggingface_hub; pip install 'sre[hub]', {CURE}") from None
    name, _, revision = given.removeprefix(PREFIX).partition("@")
    try:
        info = huggingface_hub.HfApi().model_info(name, revision=revision or None)
        commit = info.sha or ""
        wanted = choose([file.rfilename for file in info.siblings or []])
        if not wanted or not commit:
            raise SreError(f"{given}: no weights and config in it that are known here; give another model")
        paths = [Path(huggingface_hub.hf_hub_download(name, file, revision=commit)) for file in wanted]
    except errors.HFValidationError:
        raise SreError(f"{given}: no name of a model; write hf:OWNER/NAME or hf:OWNER/NAME@REVISION") from None
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.EntryNotFoundError) as error:
        if isinstance(error, errors.LocalEntryNotFoundError):
            raise _unreached(given, error) from None
        what = "revision" if isinstance(error, errors.RevisionNotFoundError) else "model"
        raise SreError(f"{given}: the hub has no such {what}, or it asks for a login; check the name") from None
    except Exception as error:  # of the network: httpx's, the system's and the hub's
        if isinstance(error, SreError):
            raise
        raise _unreached(given, error) from None
    return Fetched(paths[0].parent, commit)


def _unreached(given: str, error: Exception) -> SreError:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return SreError(f"{given}: the hub cannot be reached ({reason}); connect, {CURE}")
