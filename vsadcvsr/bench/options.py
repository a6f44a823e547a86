"""Options of the benchmark of the paper's network, listed by `--help` without torch."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

_PAPER = """The paper's network on a GPU, beside itself without our work, and fast. Without --weights the weights are
random, which costs the same. Memory for common cards is printed by calculation."""


def paper() -> ArgumentParser:
    """The options of `python -m vsadcvsr.bench.paper`."""
    parser = ArgumentParser(prog="python -m vsadcvsr.bench.paper", description=_PAPER)
    parser.add_argument("--weights", type=Path, help="a .safetensors file of the paper's network; else random weights")
    parser.add_argument("--precision", choices=("auto", "fp32", "fp16", "bf16"), default="auto")
    parser.add_argument("--dry-run", action="store_true", help="the same on the CPU, with a small network, in seconds")
    parser.add_argument("--json", type=Path, help="write the numbers, with the machine, here")
    return parser
