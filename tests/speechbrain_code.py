"""SpeechBrain's own code, for comparison with ours."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from torch.utils.data.dataloader import _BaseDataLoaderIter


@contextmanager
def imported_alone() -> Iterator[None]:
    """Import SpeechBrain's modules within; afterwards nothing else is changed by that.

    Its modules are taken out again, as it would load some on first use and others that go through all fail. It replaces
    two methods of torch's data loaders, which call themselves without end when it was imported twice.
    """
    kept = _BaseDataLoaderIter.__init__, _BaseDataLoaderIter._reset
    try:
        yield
    finally:
        _BaseDataLoaderIter.__init__, _BaseDataLoaderIter._reset = kept  # type: ignore[method-assign]
        for name in [name for name in sys.modules if name.partition(".")[0] == "speechbrain"]:
            del sys.modules[name]
