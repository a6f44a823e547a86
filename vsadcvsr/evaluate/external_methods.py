"""Upscalers that are not ours: videos that are already there, VapourSynth scripts, and commands.

Each is a function of a case. What a script or command gets is exactly what every other method gets: the low-resolution
frames in 8-bit RGB, cut to the protocol, in a file without loss.
"""

from __future__ import annotations

import math
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from vsadcvsr.errors import MediaError, UsageError
from vsadcvsr.evaluate.datasets import Case, centred
from vsadcvsr.evaluate.methods import Timed, Upscaler
from vsadcvsr.spec import Array
from vsadcvsr.video_io import frames_at, frames_of, items_in, write_pictures, write_video

type Method = Callable[[Case], Iterator[Array]]

_INPUTS, _OUTPUTS = ("{input}", "{frames}"), ("{output}", "{upscaled}")
_RAW = {
    "RGB24": ("<u1", 255), "RGB30": ("<u2", 1023), "RGB36": ("<u2", 4095), "RGB42": ("<u2", 16383),
    "RGB48": ("<u2", 65535), "RGBH": ("<f2", 1), "RGBS": ("<f4", 1),
}  # fmt: skip


def of_upscaler(upscale: Upscaler) -> Method:
    """A method that looks at nothing but the low-resolution frames."""
    return lambda case: upscale(case.low)


def of_videos(folder: Path) -> Method:
    """The videos, or folders of pictures, of `folder/SET` or else `folder`, with the names of the clips.

    Only as many frames are read as there are in the case; of a cropped case the middle counts. What they took to make
    is not known.
    """

    def frames(case: Case) -> Iterator[Array]:
        home = folder / case.set if case.set and (folder / case.set).is_dir() else folder
        clips = items_in(home)
        if case.name not in clips:
            raise MediaError(f"{home} holds no video and no folder of pictures named {case.name}")
        for frame in frames_at(clips[case.name], limit=len(case.low)):
            yield centred(frame, *case.size) if case.cropped else frame

    return lambda case: Timed((frame, math.nan) for frame in frames(case))


def of_script(script: Path) -> Method:
    """A VapourSynth script that vspipe runs with the variable `source`, the path of the clip to upscale.

    The clip is 8-bit RGB, FFV1 in Matroska; output 0 is the result, of as many frames, in RGB, or in YUV, which is
    taken as BT.709 studio range. Raises UsageError where there is no such script.
    """
    if not script.is_file():
        raise UsageError.of("script", str(script), "a .vpy file")

    def upscale(case: Case) -> Iterator[Array]:
        with tempfile.TemporaryDirectory(prefix="adcvsr-") as folder:
            source, out = Path(folder, "source.mkv"), Path(folder, "out.y4m")
            write_video(source, case.low)
            given = ["--arg", f"source={source}"]
            facts = _facts(_pipe([*given, "--info", str(script), "-"]))
            if facts.get("Color Family") == "RGB":
                _pipe([*given, str(script), str(out)])
                yield from _raw_frames(out, facts)
            else:
                _pipe([*given, "--container", "y4m", str(script), str(out)])
                yield from frames_of(out)

    return upscale


def of_command(template: str) -> Method:
    """A command, split as a shell would but run without one, in which `{input}` and the like are replaced.

    `{input}`: a video to read (8-bit RGB, FFV1 in Matroska); `{frames}`: a folder of PNG files instead. `{output}`: the
    video to write, a name that ends in .mkv; `{upscaled}`: an empty folder to fill with pictures instead. Raises
    UsageError for a command without one of each.
    """
    words = shlex.split(template)
    if not all(any(name in word for word in words for name in names) for names in (_INPUTS, _OUTPUTS)):
        raise UsageError.of("command", template, "one with {input} or {frames}, and {output} or {upscaled}")

    def upscale(case: Case) -> Iterator[Array]:
        with tempfile.TemporaryDirectory(prefix="adcvsr-") as folder:
            places = {name: Path(folder, name.strip("{}")) for name in (*_INPUTS, *_OUTPUTS)}
            places |= {name: places[name].with_suffix(".mkv") for name in ("{input}", "{output}")}
            if "{frames}" in template:
                write_pictures(places["{frames}"], case.low)
            if "{input}" in template:
                write_video(places["{input}"], case.low)
            places["{upscaled}"].mkdir()
            _run([_filled(word, places) for word in words])
            yield from frames_at(places["{upscaled}" if "{upscaled}" in template else "{output}"])

    return upscale


def _filled(word: str, places: dict[str, Path]) -> str:
    for name, path in places.items():
        word = word.replace(name, str(path))
    return word


def _pipe(words: Sequence[str]) -> str:
    """Runs the vspipe beside this Python, else the one on PATH."""
    found = shutil.which("vspipe", path=str(Path(sys.executable).parent)) or shutil.which("vspipe")
    if not found:
        raise MediaError("scripts need vspipe, which comes with VapourSynth; none is beside this Python or on PATH")
    # it looks for its Python on PATH, where that of an environment which is not activated is not
    path = f"{Path(found).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return _run([found, *words], {**os.environ, "PATH": path})


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environment)
    except OSError as cause:
        raise MediaError(f"{command[0]} cannot be run: {cause.strerror}") from cause
    if done.returncode:
        words = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise MediaError(f"{shlex.join(command)} ended with {done.returncode}: {words[-1]}")
    return done.stdout.decode(errors="replace")


def _facts(info: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in info.splitlines() if ": " in line)


def _raw_frames(path: Path, facts: dict[str, str]) -> Iterator[Array]:
    """The planes that vspipe writes for RGB, in its order: green, blue, red."""
    if facts["Format Name"] not in _RAW:
        raise MediaError(f"a script gave {facts['Format Name']}, which cannot be read; allowed: {', '.join(_RAW)}, YUV")
    kind, peak = _RAW[facts["Format Name"]]
    shape = (-1, 3, int(facts["Height"]), int(facts["Width"]))
    for planes in np.fromfile(path, dtype=kind).reshape(shape):
        yield np.ascontiguousarray(planes[[2, 0, 1]], dtype=np.float32) / np.float32(peak)
