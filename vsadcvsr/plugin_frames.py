"""Frames of VapourSynth to frames of the engine and back, one request at a time."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import vapoursynth as vs

from vsadcvsr.engine import EndOfClip, Engine, Source
from vsadcvsr.errors import AdcvsrError, MediaError
from vsadcvsr.picture import Parts, Picture
from vsadcvsr.plugin_join import BASE
from vsadcvsr.spec import Array

UNBOUNDED = 60_000_000
"""Clips at least this long have no known end (mpv declares 134 million frames): their frames past the real end fail."""

_log = logging.getLogger(__name__)


def one_line(error: BaseException) -> str:
    """What VapourSynth is to show of an error."""
    return "Upscale: " + " ".join(str(error).split())


def pixels_of(frame: vs.VideoFrame) -> Array:
    """An RGBS frame in the house format; a copy."""
    pixels = np.empty((3, frame.height, frame.width), np.float32)
    for plane in range(3):
        np.copyto(pixels[plane], np.asarray(frame[plane]))
    return pixels


def frame_of(picture: Picture) -> vs.VideoFrame:
    """A new frame of a picture: whole, RGBS without properties; in parts, the detail as GRAYS with its base."""
    if not isinstance(picture, Parts):
        return _filled(vs.RGBS, picture)
    frame = _filled(vs.GRAYS, picture.detail[None])
    frame.props[BASE] = _filled(vs.RGBS, picture.base)
    return frame


def format_of(engine: Engine) -> int:
    """The format of the frames that the engine's pictures become."""
    return int(vs.GRAYS if engine.parts else vs.RGBS)


def _filled(format: int, planes: Array) -> vs.VideoFrame:
    frame = vs.core.create_video_frame(format, planes.shape[2], planes.shape[1])
    for index, plane in enumerate(planes):
        np.copyto(np.asarray(frame[index]), plane)
    return frame


def source_of(frame: vs.VideoFrame) -> Source:
    """A frame and what the clip says of a cut before it."""
    cut = frame.props.get("_SceneChangePrev")
    return Source(pixels_of(frame), bool(cut) if isinstance(cut, int) else None)


class Screening:
    """The pictures of one clip, made when the plugin's filter asks for them; one request at a time."""

    def __init__(self, clip: vs.VideoNode, engine: Engine) -> None:
        self.clip = clip
        self.engine = engine

    def __call__(
        self, n: int, at: int | Sequence[int], frames: vs.VideoFrame | Sequence[vs.VideoFrame]
    ) -> dict[str, vs.VideoFrame | str]:
        """Picture n, given the source frames that have arrived and their numbers; a lone one has no list."""
        held = {at: frames} if isinstance(at, int) else dict(zip(at, frames, strict=True))
        try:
            return {"frame": frame_of(self.engine.picture(n, Window(self.clip, n, held).fetch))}
        except (AdcvsrError, vs.Error) as error:
            _log.debug("frame %d failed", n, exc_info=True)
            return {"error": one_line(error)}
        except MemoryError:
            return {"error": f"Upscale: no memory for frame {n}; try tile=[256, 256], or smaller ones"}

    def __del__(self) -> None:
        self.engine.close()


class Window:
    """The source frames around one picture: those that have arrived, and the others on demand."""

    def __init__(self, clip: vs.VideoNode, n: int, held: Mapping[int, vs.VideoFrame]) -> None:
        self.clip = clip
        self.n = n
        self.held = held

    def fetch(self, i: int) -> Source:
        """Source frame i; raises EndOfClip past the last one, and where a player has thrown it away."""
        if i >= self.clip.num_frames:
            raise EndOfClip
        return source_of(self.held[i]) if i in self.held else self._pull(i)

    def _pull(self, i: int) -> Source:
        try:
            with self.clip.get_frame(i) as frame:
                return source_of(frame)
        except vs.Error as error:
            if self.clip.num_frames >= UNBOUNDED:
                raise EndOfClip from error
            raise MediaError(f"frame {i} of the clip, needed for frame {self.n}, failed: {error}") from error
