"""Averaging of the weights of networks with a common start: steadier than each of them, at no cost (Wortsman et al.
2022, model soups).

    python -m vsadcvsr.train.average one/fast.safetensors two/fast.safetensors:0.5 --out fast.safetensors
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vsadcvsr.commands import check_output, status
from vsadcvsr.errors import UsageError, WeightsError
from vsadcvsr.extras import needs
from vsadcvsr.train import options

with needs("train", "the mean of weights", __name__, options.average_options):
    import torch

    from vsadcvsr.nets.compact import CompactStudent
    from vsadcvsr.nets.weights_file import Student, load_weights, save_weights


def average_weights(students: Sequence[tuple[Student, float]]) -> Student:
    """The first of the networks, with the weighted mean of all weights; the shares need not sum to 1.

    Raises WeightsError if they differ in shape.
    """
    first, _ = students[0]
    if any(student.dims != first.dims for student, _ in students):
        raise WeightsError("the networks differ in shape; average results of runs that started from the same weights")
    total = sum(share for _, share in students)
    states = [(student.state_dict(), share / total) for student, share in students]
    first.load_state_dict({name: sum(state[name].double() * share for state, share in states) for name in states[0][0]})
    return first


def attenuate(student: Student, correction: float) -> None:
    """Multiplies the head of a compact student, and so its correction of the bilinear upscale. Raises UsageError."""
    if not isinstance(student, CompactStudent):
        raise UsageError(f"--correction is for compact students, not for {student.spec.name!r}")
    if not correction >= 0:
        raise UsageError.of("correction", correction, "0 or more")
    with torch.no_grad():
        for value in student.head.parameters():
            value.mul_(correction)


def _parse_share(word: str) -> tuple[Path, float]:
    """(a.safetensors, 0.5) of `a.safetensors:0.5`; without a number the share is 1. Raises UsageError."""
    path, sign, share = word.rpartition(":")
    if not sign or not share.replace(".", "", 1).isdecimal():
        return Path(word), 1.0
    if not float(share):
        raise UsageError.of("share", word, "a share above 0, such as a.safetensors:0.5")
    return Path(path), float(share)


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the mean of files as a file, and returns the exit status."""
    arguments = options.average_options().parse_args(argv)
    return status("average", lambda: _make(arguments.files, arguments.correction, arguments.out))


def _make(texts: Sequence[str], correction: float, out: Path) -> None:
    check_output("--out", out, ".safetensors")
    shares = [_parse_share(word) for word in texts]
    student = average_weights([(load_weights(path), share) for path, share in shares])
    if correction != 1:
        attenuate(student, correction)
    save_weights(student, out)


if __name__ == "__main__":
    raise SystemExit(main())
