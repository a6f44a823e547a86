"""Options of the commands around training, listed by `--help` without the dependencies of the commands."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path

from vsadcvsr.spec import SCALES

SHARD_CLIPS = 16
"""Clips in a file of a pool."""
KINDS = ("clean", "light", "poor", "soft", "heavy", "realbasicvsr", "dove", "adcsr", "realesrgan", "dove-picture")
MIX = "clean=0.4,light=0.6"
CACHE_MIB = 1024  # MiB
TEACHERS = ("dove", "spandrel")


def build_options() -> ArgumentParser:
    """The options of `python -m vsadcvsr.train.data.build`."""
    parser = ArgumentParser(prog="python -m vsadcvsr.train.data.build", description="Fills a pool of training samples.")
    parser.add_argument("folders", nargs="+", type=Path, help="folders of pictures and videos")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the pool")
    parser.add_argument("--count", type=int, default=1600, help=f"samples in all, in shards of {SHARD_CLIPS}")
    parser.add_argument("--frames", type=int, default=7)
    parser.add_argument("--scale", type=int, choices=SCALES, default=4, help="of the students; default: %(default)s")
    parser.add_argument("--size", type=int, default=256, help="side of a clip in pixels, a multiple of the scale")
    parser.add_argument("--mix", default=MIX, help=f"shares of {', '.join(KINDS)}; default: %(default)s")
    parser.add_argument(
        "--exclude", action="append", type=Path, default=[], metavar="LIST",
        help="a text file with names of files to leave out, one a line, such as a validation set's; may be repeated",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser.add_argument("--jobs", type=int, default=cores, help="processes; default: one for each core")
    parser.add_argument(
        "--cache-mib", type=int, default=CACHE_MIB, help="MiB of decoded files to keep; default: %(default)s"
    )
    parser.add_argument("--part", default="0/1", help="this machine's share: 0/2 and 1/2 are two halves")
    return parser


def pairs_options() -> ArgumentParser:
    """The options of `python -m vsadcvsr.train.teachers.pairs`."""
    parser = ArgumentParser(
        prog="python -m vsadcvsr.train.teachers.pairs",
        description="Fills a pool from low-resolution videos and what another system has made of them.",
    )
    parser.add_argument("low", type=Path, help="a folder of low-resolution videos, or of folders of pictures")
    parser.add_argument("taught", type=Path, help="the same upscaled, under the same names")
    parser.add_argument("--teacher", required=True, help="the name of who made them, such as seedvr2")
    parser.add_argument("--truth", type=Path, help="the true videos, if at hand, under the same names")
    parser.add_argument("--skip", type=int, default=0, help="frames that the teacher left out at the start")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the pool")
    parser.add_argument("--count", type=int, default=1600, help="clips in all, in shards of 16")
    parser.add_argument("--frames", type=int, default=7)
    parser.add_argument("--scale", type=int, choices=SCALES, default=4, help="of the teacher; default: %(default)s")
    parser.add_argument("--size", type=int, default=256, help="side of an answer in pixels, a multiple of the scale")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="0/1", help="this process's share: 0/2 and 1/2 are two halves")
    return parser


def label_options() -> ArgumentParser:
    """The options of `python -m vsadcvsr.train.teachers.label`."""
    parser = ArgumentParser(
        prog="python -m vsadcvsr.train.teachers.label", description="Has a teacher answer every clip of a pool."
    )
    parser.add_argument("pool", type=Path, help="a folder that `python -m vsadcvsr.train.data.build` has filled")
    parser.add_argument("--teacher", choices=TEACHERS, default="dove")
    parser.add_argument(
        "--weights", type=Path, help="DOVE's folder in the layout of diffusers, or the file of a network for spandrel"
    )
    parser.add_argument("--name", help="the name of the targets in the pool; default: that of the teacher")
    parser.add_argument("--prompt", type=Path, help="the embedding of the empty prompt, if not in or beside the folder")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="auto", help="auto: bf16 on CUDA only")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--chunk", type=int, default=0, help="frames at a time; 0 is all of a clip")
    parser.add_argument("--chunk-overlap", type=int, default=8)
    parser.add_argument("--tile", type=int, nargs=2, default=(0, 0), metavar=("ROWS", "COLUMNS"), help="output pixels")
    parser.add_argument("--tile-overlap", type=int, nargs=2, default=(32, 32), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--whole-vae", action="store_true", help="no slices and tiles within the VAE")
    parser.add_argument("--part", default="0/1", help="this process's share: 0/2 and 1/2 are two halves")
    return parser


def grow_options() -> ArgumentParser:
    """The options of `python -m vsadcvsr.train.grow`."""
    parser = ArgumentParser(
        prog="python -m vsadcvsr.train.grow",
        description="Makes a larger student that computes the same as a smaller one, to begin its training with.",
    )
    parser.add_argument("file", type=Path, help="the weights of the smaller student, a .safetensors file")
    parser.add_argument("--model", required=True, help="the larger student, such as base")
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    return parser


def average_options() -> ArgumentParser:
    """The options of `python -m vsadcvsr.train.average`."""
    parser = ArgumentParser(
        prog="python -m vsadcvsr.train.average", description="The mean of networks that began alike, as a weights file."
    )
    parser.add_argument("files", nargs="+", metavar="FILE[:SHARE]", help="weights, each with its share; else 1")
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    return parser
