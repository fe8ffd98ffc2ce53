"""What is wrong, gathered, so that all of it is told at once."""

from collections.abc import Callable
from typing import TypeVar

from sre import SreError

T = TypeVar("T")


class Problems(list[str]):
    """Sentences on what is wrong: a fault ends nothing before all of them are known."""

    def tried(self, function: Callable[..., T], *arguments: object) -> T | None:
        """Return what a function returns; None where it raises SreError, of which the sentence is kept."""
        try:
            return function(*arguments)
        except SreError as error:
            self.append(str(error))
            return None

    def end(self) -> None:
        """Raise one SreError with all of them, each once, where there are any."""
        if self:
            raise SreError("\n".join(dict.fromkeys(self)))
