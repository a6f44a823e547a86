"""Options of the commands around training, listed by `--help` without the dependencies of the commands."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from vsadcvsr.environment import usable_cores
from vsadcvsr.spec import SCALES

SHARD_CLIPS = 16
"""Clips in a file of a pool."""
KINDS = (
    "clean", "light", "poor", "noisy", "stream", "soft", "heavy", "realbasicvsr", "dove", "adcsr", "realesrgan",
    "dove-picture",
)  # fmt: skip
MIX = "clean=0.4,light=0.6"
CACHE_MIB = 1024  # MiB
TEACHERS = ("dove", "spandrel")
CALIBRATION_FILES = 60
CLIPPED, MAX_CLIPPED = 0.001, 0.1
"""Share of a layer's inputs that calibration leaves out on each side."""


def build_options() -> ArgumentParser:
    """The options of `python -m vsadcvsr.train.data.build`."""
    parser = ArgumentParser(
        prog="python -m vsadcvsr.train.data.build",
        description="Fills a pool of training samples: degraded clips and their truth. The same command resumes.",
    )
    parser.add_argument("folders", nargs="+", type=Path, help="folders of pictures and videos")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the pool")
    parser.add_argument(
        "--count", type=int, default=1600, help=f"samples in all, in files of {SHARD_CLIPS}; default: %(default)s"
    )
    parser.add_argument(
        "--mib", type=int, default=0, help="most MiB of the pool: as many of the samples as fit; default: no limit"
    )
    parser.add_argument(
        "--compress", action="store_true",
        help="an eighth of the size: the truth as WebP of high quality, its degraded version lossless",
    )  # fmt: skip
    parser.add_argument("--frames", type=int, default=7, help="frames of a sample; default: %(default)s")
    parser.add_argument("--scale", type=int, choices=SCALES, default=4, help="of the networks; default: %(default)s")
    parser.add_argument(
        "--size", type=int, default=256,
        help="width and height of the truth in pixels, a multiple of the scale; default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--mix", default=MIX, help=f"shares of the degradations {', '.join(KINDS)}; default: %(default)s"
    )
    parser.add_argument(
        "--exclude", action="append", type=Path, default=[], metavar="LIST",
        help="text file with names of files to leave out, one per line, such as a validation set's; may be repeated",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of all random choices; default: %(default)s")
    parser.add_argument(
        "--jobs", type=int, default=usable_cores(), help="number of processes; default: one per CPU core"
    )
    parser.add_argument(
        "--cache-mib", type=int, default=CACHE_MIB, help="memory for decoded files, in MiB; default: %(default)s"
    )
    parser.add_argument(
        "--part",
        default="0/1",
        help="this machine's share of the files, K/N: 0/2 and 1/2 are halves; default: %(default)s",
    )
    return parser


def pairs_options() -> ArgumentParser:
    """The options of `python -m vsadcvsr.train.teachers.pairs`."""
    parser = ArgumentParser(
        prog="python -m vsadcvsr.train.teachers.pairs",
        description="Fills a pool from low-resolution videos and their upscales by another system.",
    )
    parser.add_argument("low", type=Path, help="a folder of low-resolution videos, or of folders of pictures")
    parser.add_argument("targets", type=Path, help="a folder of their upscales, with the same names")
    parser.add_argument("--teacher", required=True, help="name of the system that upscaled them, such as seedvr2")
    parser.add_argument("--truth", type=Path, help="a folder of the ground truth, if available, with the same names")
    parser.add_argument(
        "--skip",
        type=int,
        default=0,
        help="number of frames missing at the start of the upscales; default: %(default)s",
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder of the pool")
    parser.add_argument("--count", type=int, default=1600, help="samples in all, in files of 16; default: %(default)s")
    parser.add_argument("--frames", type=int, default=7, help="frames of a sample; default: %(default)s")
    parser.add_argument("--scale", type=int, choices=SCALES, default=4, help="of the upscales; default: %(default)s")
    parser.add_argument(
        "--size", type=int, default=256,
        help="width and height of the upscales' crops in pixels, a multiple of the scale; default: %(default)s",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of all random choices; default: %(default)s")
    _add_part(parser)
    return parser


def label_options() -> ArgumentParser:
    """The options of `python -m vsadcvsr.train.teachers.label`."""
    parser = ArgumentParser(
        prog="python -m vsadcvsr.train.teachers.label",
        description="Adds a teacher's upscales as targets to every sample of a pool. The same command resumes.",
    )
    parser.add_argument("pool", type=Path, help="a pool, filled by `python -m vsadcvsr.train.data.build`")
    parser.add_argument("--teacher", choices=TEACHERS, default="dove", help="the larger network; default: %(default)s")
    parser.add_argument(
        "--weights", type=Path, help="DOVE's folder in the layout of diffusers, or a network's file for spandrel"
    )
    parser.add_argument("--name", help="name of the targets in the pool; default: the teacher's")
    parser.add_argument("--prompt", type=Path, help="file of the empty prompt's embedding, if elsewhere")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto",
        help="of DOVE; auto, the default: cuda where there is a GPU",
    )  # fmt: skip
    parser.add_argument(
        "--precision", choices=("auto", "bf16", "fp32"), default="auto",
        help="auto, the default: bf16 for DOVE on CUDA, else fp32",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=42, help="of DOVE's noise; default: %(default)s")
    parser.add_argument("--chunk", type=int, default=0, help="frames that DOVE takes at a time; 0, the default: all")
    parser.add_argument(
        "--chunk-overlap", type=int, default=8, help="frames that two chunks share; default: %(default)s"
    )
    parser.add_argument(
        "--tile", type=int, nargs=2, default=(0, 0), metavar=("ROWS", "COLUMNS"),
        help="size of DOVE's tiles in output pixels, multiples of 16; 0 0, the default: whole frames",
    )  # fmt: skip
    parser.add_argument(
        "--tile-overlap", type=int, nargs=2, default=(32, 32), metavar=("ROWS", "COLUMNS"),
        help="output pixels that two tiles share; default: 32 32",
    )  # fmt: skip
    parser.add_argument(
        "--whole-vae", action="store_true", help="run the VAE without slices and tiles (needs more memory)"
    )
    _add_part(parser)
    return parser


def _add_part(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--part", default="0/1", help="this process's share of the files, K/N: 0/2 and 1/2 are halves; default: all"
    )


def grow_options() -> ArgumentParser:
    """The options of `python -m vsadcvsr.train.grow`."""
    parser = ArgumentParser(
        prog="python -m vsadcvsr.train.grow",
        description="Writes a larger student that computes the same as a smaller one, as a start for training.",
    )
    parser.add_argument("file", type=Path, help="the weights of the smaller student, a .safetensors file")
    parser.add_argument("--model", required=True, help="the larger student, such as base")
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    return parser


def prune_options() -> ArgumentParser:
    """The options of `python -m vsadcvsr.train.prune`."""
    parser = ArgumentParser(
        prog="python -m vsadcvsr.train.prune",
        description="Writes a smaller student that computes the same as a larger one, without what never acts in it; "
        "for a model without blocks, one without all that works at a quarter of the size, to be trained again.",
    )
    parser.add_argument("file", type=Path, help="the weights of the larger student, a .safetensors file")
    parser.add_argument("--restoring", type=Path, help="its restoring weights, which must keep the same parts")
    parser.add_argument(
        "--model", required=True,
        help="the smaller student, such as base; layers before the head stay as many as they are",
    )  # fmt: skip
    parser.add_argument(
        "--pool", type=Path, action="append", required=True,
        help="samples to measure on, filled by `python -m vsadcvsr.train.data.build`; may be repeated",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="the folder for the weights")
    parser.add_argument("--half", action="store_true", help="store the weights in 16 bits")
    return parser


def average_options() -> ArgumentParser:
    """The options of `python -m vsadcvsr.train.average`."""
    parser = ArgumentParser(
        prog="python -m vsadcvsr.train.average",
        description="Averages weights of runs that started from the same weights (a model soup).",
    )
    parser.add_argument(
        "files", nargs="+", metavar="FILE[:SHARE]", help="weights files, each with its share; default share: 1"
    )
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    parser.add_argument(
        "--correction",
        type=float,
        default=1.0,
        help="how much of its correction of the bilinear upscale the result makes, from 0; default: %(default)s, all",
    )
    return parser


def calibrate_options() -> ArgumentParser:
    """The options of `python -m vsadcvsr.train.calibrate`."""
    parser = ArgumentParser(
        prog="python -m vsadcvsr.train.calibrate",
        description="Calibrates a compact student for int8: measures the range of each layer's inputs on sources made "
        "from your data, and writes NAME-int8.json next to the model.",
    )
    parser.add_argument("model", help="a name, or an .onnx file with its .safetensors next to it")
    parser.add_argument(
        "--data", type=Path, action="append", required=True, help="a folder of videos and pictures; may be repeated"
    )
    parser.add_argument(
        "--files", type=int, default=CALIBRATION_FILES, help="how many of these are used; default: %(default)s"
    )
    parser.add_argument(
        "--denoise", type=float, default=1.0,
        help="the ranges hold for `denoise` from 0 to this, 1 at most; above it the model runs in floating point; "
        "default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--clipped", type=float, default=CLIPPED,
        help=f"share of a layer's inputs that is clipped on each side, 0 to {MAX_CLIPPED}; default: %(default)s",
    )  # fmt: skip
    return parser
