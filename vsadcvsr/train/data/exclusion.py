"""Lists of files excluded from training, such as the scenes of a validation set."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

from vsadcvsr.errors import UsageError

_COMMENT = re.compile(r"(^|\s)#.*")  # names may have a # within


@dataclass(frozen=True)
class Exclusion:
    """Files by the ends of their paths, or of a folder's that they are in: `clips/a.mp4` is every a.mp4 in a folder
    called clips, `pans/lake` all that is below a folder lake in one called pans.
    """

    names: frozenset[PurePosixPath] = frozenset()

    @classmethod
    def read(cls, lists: Iterable[Path]) -> Self:
        """The names in text files, one a line; empty lines count for nothing, nor does what follows a # after a space.

        Raises UsageError for a file that cannot be read.
        """
        names: set[PurePosixPath] = set()
        for path in lists:
            try:
                lines = path.read_text(encoding="utf-8").splitlines()
            except (OSError, ValueError) as error:
                raise UsageError(f"{path} cannot be read ({error}); give a text file of file names") from error
            listed = (_COMMENT.sub("", line).strip() for line in lines)
            names |= {PurePosixPath(name) for name in listed if name}
        return cls(frozenset(names))

    def covers(self, path: Path) -> bool:
        """Whether a file is one of those, or below one: a scene may be a folder of pictures."""
        return not self.names.isdisjoint(_path_ends(path))

    def without(self, paths: Iterable[Path]) -> list[Path]:
        """The paths that are not excluded, in their order."""
        return [path for path in paths if not self.covers(path)]

    def unmatched(self, folders: Sequence[Path]) -> list[str]:
        """The names that no file below the folders has, sorted: misspelt, or of another collection."""
        paths = (path for folder in folders for path in (folder.rglob("*") if folder.is_dir() else [folder]))
        ends = {end for path in paths if path.is_file() for end in _path_ends(path)}
        return sorted(map(str, self.names - ends))


def _path_ends(path: Path) -> set[PurePosixPath]:
    """The ends of a path and of the folders above it, whole paths among them."""
    parts = path.absolute().parts
    return {PurePosixPath(*parts[first:last]) for last in range(2, len(parts) + 1) for first in range(last)}


NO_EXCLUSION = Exclusion()
