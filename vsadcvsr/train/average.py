"""The mean of networks that began alike: steadier than each of them, at no cost (Wortsman et al. 2022, model soups).

python -m vsadcvsr.train.average one/fast.safetensors two/fast.safetensors:0.5 --out fast.safetensors
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vsadcvsr.commands import status
from vsadcvsr.errors import UsageError, WeightsError
from vsadcvsr.extras import needs
from vsadcvsr.train import options

with needs("train", "the mean of weights", __name__, options.soup):
    from vsadcvsr.nets.weights_file import Student, load_weights, save_weights


def mean(students: Sequence[tuple[Student, float]]) -> Student:
    """The first of the networks, with the mean of all weights by their shares, whose sum need not be 1.

    Raises WeightsError where they are not of one shape.
    """
    first, _ = students[0]
    if any(student.dims != first.dims for student, _ in students):
        raise WeightsError("the networks are not of one shape; take results of runs that began with the same weights")
    whole = sum(share for _, share in students)
    held = [(student.state_dict(), share / whole) for student, share in students]
    first.load_state_dict({name: sum(state[name].double() * share for state, share in held) for name in held[0][0]})
    return first


def _portion(word: str) -> tuple[Path, float]:
    """(a.safetensors, 0.5) of `a.safetensors:0.5`; without a number the share is 1. Raises UsageError."""
    path, sign, share = word.rpartition(":")
    if not sign or not share.replace(".", "", 1).isdecimal():
        return Path(word), 1.0
    if not float(share):
        raise UsageError.of("share", word, "a share above 0, such as a.safetensors:0.5")
    return Path(path), float(share)


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the mean of files as a file, and returns the exit status."""
    given = options.soup().parse_args(argv)
    return status("soup", lambda: _make(given.files, given.out))


def _make(words: Sequence[str], out: Path) -> None:
    portions = [_portion(word) for word in words]
    save_weights(mean([(load_weights(path), share) for path, share in portions]), out)


if __name__ == "__main__":
    raise SystemExit(main())
