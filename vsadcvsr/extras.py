"""Optional dependencies: errors that name the extra to install if a package is missing."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import NoReturn

from vsadcvsr.commands import status
from vsadcvsr.errors import BackendError, MissingError, one_line

_OURS = ("vsadcvsr", "ffmpeg_filter")


@contextmanager
def needs(
    extra: str, purpose: str, module: str = "", parser: Callable[[], ArgumentParser] | None = None
) -> Iterator[None]:
    """Around imports: where a package is missing, raises MissingError with the extra that brings it.

    `module` is the `__name__` of a module that can be run by `python -m`. When it is, the error is printed as one line,
    and the process exits as every command does after a mistake; `parser` makes what its options are read with, so that
    `--help` is answered all the same.
    """
    try:
        yield
    except BackendError as error:  # from the imports of a module that needs an extra itself
        if module == "__main__":
            _exit(error, parser)
        raise
    except ImportError as error:
        if (error.name or "").partition(".")[0] in _OURS:
            raise  # a fault of ours
        message = f"{purpose} needs {_missing_package(error)}; run `{install(extra)}`"
        if module == "__main__":
            _exit(MissingError(message), parser)
        raise MissingError(message) from error


def check(*packages: str) -> None:
    """Raises ModuleNotFoundError for a package that is not installed; loads none."""
    for name in packages:
        if find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def install(extra: str) -> str:
    """The command that adds an extra to an installed AdcVSR."""
    return f"pip install 'vsadcvsr[{extra}]'"


def _missing_package(error: ImportError) -> str:
    """The package that is not installed, or what is wrong with one that is."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return error.name.partition(".")[0]
    return f"more than is installed ({one_line(error)})"


def _exit(error: BackendError, parser: Callable[[], ArgumentParser] | None) -> NoReturn:
    if parser:
        parser().parse_args()

    def fail() -> NoReturn:
        raise error

    spec = sys.modules["__main__"].__spec__
    name = spec.name.removesuffix(".__main__") if spec else sys.argv[0]
    raise SystemExit(status(name, fail))
