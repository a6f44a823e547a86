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
_TABLE = "paper: metrics in rows, methods in columns; summary: confidence intervals, and gains over bicubic"
_EVALUATE = """DIR holds sets of clips, each clip a video or a folder of pictures: clips/gt and next to it, smaller
by the scale, a folder for each set; or, for each set, SET/lr and SET/gt; or just lr and gt. Without gt, only metrics
that need no truth are measured. photos_hr, if it exists, is the set photos, scaled down by antialiased bicubic. If lr
and gt have the same size, lr is scaled down as well, except at scale 1."""
_VALIDATION = """Makes a validation set. LIST is a text file with one path per line, relative to DIR, of a video, a
folder of pictures or a picture; # starts a comment. Keep these scenes out of training. SET gets clips/gt, the centre
of the first frames of each scene, and a folder for each kind of degradation, smaller by the scale; a picture becomes
a slow pan. Measure with: adcvsr evaluate --data SET --metrics summary --table summary"""
_PEER = "weights file of any network of that scale, run frame by frame on the CPU (extra peers)"
_VIDEOS = """upscaled videos or folders of pictures in FOLDER/SET or FOLDER, named as the clips; frames after the end
of a clip are ignored, and with --crop their centre is measured"""
_SCRIPT = """a VapourSynth script that vspipe runs with the variable `source`, the path of the clip to upscale (8-bit
RGB, FFV1 in Matroska); output 0 is the result, with the same number of frames, in RGB, or in YUV (BT.709, limited
range)"""
_COMMAND = """a command, run without a shell; {input}: a video to read (8-bit RGB, FFV1 in
Matroska), {frames}: a folder of PNG files instead; {output}: the video to write, a name that ends in .mkv,
{upscaled}: an empty folder to fill with pictures instead"""


def evaluation() -> ArgumentParser:
    """The options of `adcvsr evaluate`."""
    parser = ArgumentParser(prog="adcvsr evaluate", description=_EVALUATE)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of sets, see above")
    parser.add_argument("--set", metavar="SETS", help="names of sets, separated by commas; default: all")
    parser.add_argument(
        "--model", nargs="*", action="extend", default=[],
        help="names or files of models; NAME#denoise=.5, NAME#steady=1 and NAME#sharpen=.5 set these, NAME#scale=4 "
        "takes the network of that scale and resizes what it makes to the truth's size, NAME#no-temporal runs each "
        "frame separately",
    )  # fmt: skip
    parser.add_argument("--peer", nargs="+", action="extend", default=[], metavar="NAME=FILE", help=_PEER)
    parser.add_argument("--videos", nargs="+", action="extend", default=[], metavar="NAME=FOLDER", help=_VIDEOS)
    parser.add_argument("--script", nargs="+", action="extend", default=[], metavar="NAME=FILE.vpy", help=_SCRIPT)
    parser.add_argument("--command", nargs="+", action="extend", default=[], metavar="NAME=COMMAND", help=_COMMAND)
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default="whole",
        help="whole: all of each clip (default); paper: --first 25 --crop 512",
    )
    parser.add_argument("--first", type=int, metavar="N", help="measure at most N frames of each clip")
    parser.add_argument("--crop", type=int, metavar="N", help="measure the central N x N pixels of the result")
    parser.add_argument(
        "--scale", type=int, choices=SCALES, default=4, help="factor between clips and truth; default: 4"
    )
    parser.add_argument("--metrics", default="fast", help="fast (default), summary, all, or names, separated by commas")
    parser.add_argument("--raft", type=Path, metavar="WEIGHTS", help="torchvision's raft_large, for E*warp with RAFT")
    parser.add_argument("--table", choices=TABLES, default="methods", help=_TABLE)
    parser.add_argument("--backend", default="auto", help="of --model: auto (default), ort, openvino, torch")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0, the default: all cores")
    parser.add_argument("--by-clip", action="store_true", help="also print a row for every clip")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write all numbers, frame by frame, to this file"
    )
    return parser


def cuts() -> ArgumentParser:
    """The options of `python -m vsadcvsr.evaluate.cuts`."""
    parser = ArgumentParser(
        prog="python -m vsadcvsr.evaluate.cuts", description="Measures hits and false alarms of the cut detector."
    )
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="folders of clips, each a single shot")
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="folders of photographs")
    parser.add_argument(
        "--whole", type=Path, nargs="*", default=[], help="folders of videos whose detected cuts are listed"
    )
    parser.add_argument(
        "--threshold", type=float, default=DEFAULT_THRESHOLD,
        help="score above which a frame counts as a cut, 0 to about 1; default: %(default)s",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, help="also write totals and scores to this file")
    return parser


def validation() -> ArgumentParser:
    """The options of `python -m vsadcvsr.evaluate.validation`."""
    parser = ArgumentParser(prog="python -m vsadcvsr.evaluate.validation", description=_VALIDATION)
    parser.add_argument("list", type=Path, metavar="LIST", help="text file of scenes, see above")
    parser.add_argument("--root", type=Path, metavar="DIR", help="folder of the paths in LIST; default: that of LIST")
    parser.add_argument("--out", type=Path, required=True, metavar="SET", help="the folder to write")
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"degradations, of {', '.join(KINDS)}; default: all")
    parser.add_argument("--frames", type=int, default=5, metavar="N", help="frames of each scene; default: %(default)s")
    parser.add_argument(
        "--size", default="512x384", help="largest size of the truth, WIDTHxHEIGHT; default: %(default)s"
    )
    parser.add_argument(
        "--scale", type=int, choices=SCALES, default=4, help="factor between clips and truth; default: 4"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all random choices; default: %(default)s")
    return parser
