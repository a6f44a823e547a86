"""Messages of worker processes: plain text, so that no objects are sent between machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from vsadcvsr.errors import (
    AdcvsrError,
    BackendError,
    FarmError,
    FormatError,
    MediaError,
    MissingError,
    UsageError,
    WeightsError,
    one_line,
)
from vsadcvsr.farm.store.fingerprints import ChangedError

_ERROR_TYPES = {
    kind.__name__: kind
    for kind in (BackendError, ChangedError, FarmError, FormatError, MediaError, MissingError, UsageError, WeightsError)
}


@dataclass(frozen=True, kw_only=True)
class WorkerReply:
    """Reply of a worker process."""

    engine: str = ""
    """Engine label."""
    holder: str = ""
    """Another worker that holds the chunk."""
    messages: tuple[str, ...] = ()
    """Messages for the user."""
    error_type: str = ""
    """Name of an error class of ours; empty on success."""
    cause: str = ""
    """Message of the error; empty on success."""

    @classmethod
    def from_error(cls, error: BaseException) -> Self:
        """The reply for an error."""
        name = next(
            (base.__name__ for base in type(error).__mro__ if base.__name__ in _ERROR_TYPES), FarmError.__name__
        )
        return cls(error_type=name, cause=one_line(error) or type(error).__name__)

    @property
    def error(self) -> AdcvsrError | None:
        """The error, as it was raised in the worker."""
        return _ERROR_TYPES.get(self.error_type, FarmError)(self.cause) if self.cause else None


class ChunkWorker(Protocol):
    """What runs in a worker process. It raises nothing: errors are replies."""

    def open(self, folder: str, key: str) -> WorkerReply:
        """Opens the job of that key in a folder, and proves that this machine can do its work."""
        ...

    def make(self, folder: str, number: int) -> WorkerReply:
        """Renders a chunk of an open job."""
        ...


def is_final(error: BaseException) -> bool:
    """Whether no other worker can help."""
    return isinstance(error, ChangedError | FormatError | UsageError)
