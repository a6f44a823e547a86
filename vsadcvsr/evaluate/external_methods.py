"""External methods: videos that exist already, VapourSynth scripts, and commands.

Each is a function of a case. Scripts and commands get exactly what every other method gets: the low-resolution frames
in 8-bit RGB, cropped to the protocol, in a lossless file.
"""

from __future__ import annotations

import math
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from vsadcvsr.environment import program
from vsadcvsr.errors import MediaError, UsageError
from vsadcvsr.evaluate.datasets import Case, crop_centre
from vsadcvsr.evaluate.methods import TimedFrames, Upscaler
from vsadcvsr.spec import Array
from vsadcvsr.video_io import clips_in, read_frames, read_video, write_pictures, write_video

type Method = Callable[[Case], Iterator[Array]]

_INPUTS, _OUTPUTS = ("{input}", "{frames}"), ("{output}", "{upscaled}")
_RAW = {
    "RGB24": ("<u1", 255), "RGB30": ("<u2", 1023), "RGB36": ("<u2", 4095), "RGB42": ("<u2", 16383),
    "RGB48": ("<u2", 65535), "RGBH": ("<f2", 1), "RGBS": ("<f4", 1),
}  # fmt: skip


def from_upscaler(upscale: Upscaler) -> Method:
    """A method that looks at nothing but the low-resolution frames."""
    return lambda case: upscale(case.low)


def from_videos(folder: Path) -> Method:
    """The videos, or folders of images, of `folder/SET` or else `folder`, with the names of the clips.

    Only as many frames are read as there are in the case; of a cropped case the middle counts. What they took to make
    is not known.
    """

    def frames(case: Case) -> Iterator[Array]:
        home = folder / case.set if case.set and (folder / case.set).is_dir() else folder
        clips = clips_in(home)
        if case.name not in clips:
            raise MediaError(f"{home} holds no video and no folder of pictures named {case.name}")
        for frame in read_frames(clips[case.name], limit=len(case.low)):
            yield crop_centre(frame, *case.size) if case.cropped else frame

    return lambda case: TimedFrames((frame, math.nan) for frame in frames(case))


def from_script(script: Path) -> Method:
    """A VapourSynth script that vspipe runs with the variable `source`, the path of the clip to upscale.

    The clip is 8-bit RGB, FFV1 in Matroska; output 0 is the result, of as many frames, in RGB, or in YUV, which is
    taken as BT.709 studio range. Raises UsageError where there is no such script.
    """
    if not script.is_file():
        raise UsageError(f"script {script} is not a file; give a VapourSynth script (.vpy)")

    def upscale(case: Case) -> Iterator[Array]:
        with tempfile.TemporaryDirectory(prefix="adcvsr-") as folder:
            source, output = Path(folder, "source.mkv"), Path(folder, "out.y4m")
            write_video(source, case.low)
            options = ["--arg", f"source={source}"]
            info = _parse_info(_vspipe([*options, "--info", str(script), "-"]))
            if info.get("Color Family") == "RGB":
                _vspipe([*options, str(script), str(output)])
                yield from _raw_frames(output, info)
            else:
                _vspipe([*options, "--container", "y4m", str(script), str(output)])
                yield from read_video(output)

    return upscale


def from_command(template: str) -> Method:
    """A command, split as a shell would but run without one, in which `{input}` and the like are replaced.

    `{input}`: a video to read (8-bit RGB, FFV1 in Matroska); `{frames}`: a folder of PNG files instead. `{output}`: the
    video to write, a name that ends in .mkv; `{upscaled}`: an empty folder to fill with images instead. Raises
    UsageError for a command without one of each.
    """
    try:
        arguments = shlex.split(template)
    except ValueError as error:
        raise UsageError(f"command {template!r} cannot be split into words ({error}); close its quotes") from error
    if not all(any(name in word for word in arguments for name in names) for names in (_INPUTS, _OUTPUTS)):
        raise UsageError(
            f"command {template!r} needs {{input}} or {{frames}}, and {{output}} or {{upscaled}}; add them"
        )

    def upscale(case: Case) -> Iterator[Array]:
        with tempfile.TemporaryDirectory(prefix="adcvsr-") as folder:
            paths = {name: Path(folder, name.strip("{}")) for name in (*_INPUTS, *_OUTPUTS)}
            paths |= {name: paths[name].with_suffix(".mkv") for name in ("{input}", "{output}")}
            if "{frames}" in template:
                write_pictures(paths["{frames}"], case.low)
            if "{input}" in template:
                write_video(paths["{input}"], case.low)
            paths["{upscaled}"].mkdir()
            _run([_substitute(word, paths) for word in arguments])
            yield from read_frames(paths["{upscaled}" if "{upscaled}" in template else "{output}"])

    return upscale


def _substitute(word: str, paths: dict[str, Path]) -> str:
    for name, path in paths.items():
        word = word.replace(name, str(path))
    return word


def _vspipe(arguments: Sequence[str]) -> str:
    """Runs the vspipe of this Python's environment, else the one on PATH."""
    vspipe = program("vspipe")
    if not vspipe:
        raise MediaError(
            "scripts need vspipe, which comes with VapourSynth; it is neither next to this Python nor on PATH"
        )
    # vspipe looks for Python on PATH, which lacks that of an environment that is not activated
    path = f"{Path(vspipe).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return _run([vspipe, *arguments], {**os.environ, "PATH": path})


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environment)
    except OSError as cause:
        raise MediaError(f"{command[0]} cannot be run: {cause.strerror}") from cause
    if done.returncode:
        lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise MediaError(f"{shlex.join(command)} ended with {done.returncode}: {lines[-1]}")
    return done.stdout.decode(errors="replace")


def _parse_info(info: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in info.splitlines() if ": " in line)


def _raw_frames(path: Path, info: dict[str, str]) -> Iterator[Array]:
    """The planes that vspipe writes for RGB, in its order: green, blue, red."""
    if info["Format Name"] not in _RAW:
        raise MediaError(f"the script's output is {info['Format Name']}; convert it to {', '.join(_RAW)} or YUV")
    dtype, peak = _RAW[info["Format Name"]]
    shape = (-1, 3, int(info["Height"]), int(info["Width"]))
    for planes in np.fromfile(path, dtype=dtype).reshape(shape):
        yield np.ascontiguousarray(planes[[2, 0, 1]], dtype=np.float32) / np.float32(peak)
