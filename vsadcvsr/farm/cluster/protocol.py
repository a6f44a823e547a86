"""What a worker process tells of what it was asked to do: words and nothing else, so that nothing else travels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from vsadcvsr.errors import (
    AdcvsrError,
    BackendError,
    FarmError,
    FormatError,
    MediaError,
    UsageError,
    WeightsError,
    one_line,
)
from vsadcvsr.farm.store.fingerprints import ChangedError

_KINDS = {
    kind.__name__: kind
    for kind in (BackendError, ChangedError, FarmError, FormatError, MediaError, UsageError, WeightsError)
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`engine` is what makes the pictures, `holder` who works on a chunk already, `said` what the user should read;
    `kind` is the name of an error of ours and `cause` its words, both empty if all went well.
    """

    engine: str = ""
    holder: str = ""
    said: tuple[str, ...] = ()
    kind: str = ""
    cause: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """That it failed."""
        kind = next((one.__name__ for one in type(error).__mro__ if one.__name__ in _KINDS), FarmError.__name__)
        return cls(kind=kind, cause=one_line(error) or type(error).__name__)

    @property
    def error(self) -> AdcvsrError | None:
        """The error, as it was raised there."""
        return _KINDS.get(self.kind, FarmError)(self.cause) if self.cause else None


class Site(Protocol):
    """What runs in a worker process. It raises nothing: errors are answers."""

    def open(self, folder: str, key: str) -> Answer:
        """Gets ready for the job of that key in a folder, and proves that this machine can do its work."""
        ...

    def make(self, folder: str, number: int) -> Answer:
        """Makes a chunk of a job that is open."""
        ...


def is_final(error: BaseException) -> bool:
    """Whether no other worker can help."""
    return isinstance(error, ChangedError | FormatError | UsageError)
