"""Options of the evaluation commands, listed by `--help` without the dependencies of the commands."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from vsadcvsr.scenes import DEFAULT_THRESHOLD
from vsadcvsr.spec import SCALES

PROTOCOLS = ("whole", "paper")
TABLES = ("methods", "paper", "summary")
KINDS = ("clean", "light", "soft", "noisy", "stream", "old")
"""The degradations of a validation set."""
_TABLE = "paper: metrics down, methods across; summary: with confidence intervals, and what is gained over bicubic"
_EVALUATE = """DIR holds sets of clips, each clip a video or a folder of pictures: clips/gt and next to it, smaller
by the scale, a folder for each set; or, for each set, SET/lr and SET/gt; or just lr and gt. Without gt only what needs
no truth is measured. photos_hr, if there, is the set photos, shrunk by antialiased bicubic. Where lr and gt are of
one size lr is shrunk as well, but at scale 1."""
_VALIDATION = """LIST is a text file with a path below DIR on each line, of a video, a folder of pictures or a
picture; # begins a comment. These scenes are to be kept out of training. SET gets clips/gt, the middle of the first
frames of each scene, and next to them a folder for each kind of degradation, smaller by the scale; a picture
becomes a slow pan. adcvsr evaluate --data SET --metrics summary --table summary measures on it."""
_PEER = "a weights file of any origin: a network of that scale, run frame by frame on the CPU"
_VIDEOS = """videos, or folders of pictures, of FOLDER/SET or else FOLDER, with the names of the clips; only as many
frames are read as there are in the clip, and of a cropped one the middle counts"""
_SCRIPT = """a VapourSynth script that vspipe runs with the variable `source`, the path of the clip to upscale (8-bit
RGB, FFV1 in Matroska); output 0 is the result, of as many frames, in RGB, or in YUV, which is taken as BT.709 studio
range"""
_COMMAND = """a command, split as a shell would but run without one; {input}: a video to read (8-bit RGB, FFV1 in
Matroska), {frames}: a folder of PNG files instead; {output}: the video to write, a name that ends in .mkv,
{upscaled}: an empty folder to fill with pictures instead"""


def evaluation() -> ArgumentParser:
    """The options of `adcvsr evaluate`."""
    parser = ArgumentParser(prog="adcvsr evaluate", description=_EVALUATE)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--set", metavar="SETS", help="sets, with commas between them; all by default")
    parser.add_argument(
        "--model", nargs="*", default=[],
        help="names or paths of models; `NAME#denoise=.5` sets that, `NAME#no-temporal` runs every frame alone",
    )  # fmt: skip
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=FILE", help=_PEER)
    parser.add_argument("--videos", action="append", default=[], metavar="NAME=FOLDER", help=_VIDEOS)
    parser.add_argument("--script", action="append", default=[], metavar="NAME=FILE.vpy", help=_SCRIPT)
    parser.add_argument("--command", action="append", default=[], metavar="NAME=COMMAND", help=_COMMAND)
    parser.add_argument("--protocol", choices=PROTOCOLS, default="whole", help="paper: --first 25 --crop 512")
    parser.add_argument("--first", type=int, metavar="N", help="no more than N frames of each clip")
    parser.add_argument("--crop", type=int, metavar="N", help="the middle N x N pixels of the result")
    parser.add_argument("--scale", type=int, choices=SCALES, default=4, help="of the truth to the clips; %(default)s")
    parser.add_argument("--metrics", default="fast", help="fast, summary, all, or columns with commas between them")
    parser.add_argument("--raft", type=Path, metavar="WEIGHTS", help="torchvision's raft_large, for E*warp along RAFT")
    parser.add_argument("--table", choices=TABLES, default="methods", help=_TABLE)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--by-clip", action="store_true", help="a line for every clip as well")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything here, frame by frame")
    return parser


def cuts() -> ArgumentParser:
    """The options of `python -m vsadcvsr.evaluate.cuts`."""
    parser = ArgumentParser(prog="python -m vsadcvsr.evaluate.cuts", description="Hits and misses of the cut detector.")
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="folders of clips, each a single shot")
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="folders of photographs")
    parser.add_argument("--whole", type=Path, nargs="*", default=[], help="folders of files to list the detections of")
    parser.add_argument("--threshold", type=float, default=DEFAULT_THRESHOLD)
    parser.add_argument("--json", type=Path, help="write the totals and the distances here")
    return parser


def validation() -> ArgumentParser:
    """The options of `python -m vsadcvsr.evaluate.validation`."""
    parser = ArgumentParser(prog="python -m vsadcvsr.evaluate.validation", description=_VALIDATION)
    parser.add_argument("list", type=Path, metavar="LIST")
    parser.add_argument("--root", type=Path, metavar="DIR", help="where the paths begin; the list's folder by default")
    parser.add_argument("--out", type=Path, required=True, metavar="SET", help="a folder, which is made")
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"of {', '.join(KINDS)}; all by default")
    parser.add_argument("--frames", type=int, default=5, metavar="N", help="of each scene; %(default)s")
    parser.add_argument("--size", default="512x384", help="of the truth, at most; %(default)s")
    parser.add_argument("--scale", type=int, choices=SCALES, default=4, help="of the truth to the rest; %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    return parser
