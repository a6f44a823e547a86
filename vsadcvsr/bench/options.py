"""Options of the benchmark of the paper's network, listed by `--help` without torch."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

_PAPER = """Speed of the paper's network on a GPU, with and without the optimisations of this package, and of fast.
Without --weights the weights are random, which takes the same time. Memory on common cards is calculated."""


def paper() -> ArgumentParser:
    """The options of `python -m vsadcvsr.bench.paper`."""
    parser = ArgumentParser(prog="python -m vsadcvsr.bench.paper", description=_PAPER)
    parser.add_argument("--weights", type=Path, help="a .safetensors file of the paper's network; else random weights")
    parser.add_argument(
        "--precision", choices=("auto", "fp32", "fp16", "bf16"), default="auto",
        help="auto, the default: bf16 on a GPU that has it, else fp16; fp32 on a CPU",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="the same on the CPU with a small network, as a test")
    parser.add_argument("--json", type=Path, help="also write the numbers, and the machine, to this file")
    return parser
