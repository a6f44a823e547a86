"""Encoding and decoding of frames and clips in memory: uint8 RGB, (H, W, 3) and (T, H, W, 3).

Frames are converted to BT.709 limited range, 4:2:0 with centred chroma, and back, so that a round trip changes detail
and not tone. The conversion is done here and not by libswscale, whose rounding depends on memory alignment; encoders
run single-threaded, because the output of several threads may depend on their number.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from vsadcvsr.color import LUMA_709
from vsadcvsr.errors import MediaError

type Pixels = NDArray[np.uint8]

_FILE = "mp4"
_NO_LOOKAHEAD = {"x264-params": "rc-lookahead=0:sync-lookahead=0"}
"""x264's lookahead has a thread of its own, and rarely, on frames of 224x224, the bits depended on its pace."""

_BLOCK = 16
"""Images are padded to whole macroblocks: past the edge of a broken one encoders see whatever lies in memory."""


def jpeg(frame: Pixels, quality: int) -> Pixels:
    """A frame after JPEG at a quality of 0 to 100."""
    done, coded = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise MediaError(f"a picture of {frame.shape[1]}x{frame.shape[0]} could not be coded as JPEG")
    decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


def compress_quality(clip: Pixels, crf: int) -> Pixels:
    """A clip after x264 at a constant rate factor, 25 frames a second."""
    return _through(clip, "libx264", 25, {"crf": str(crf), "preset": "fast"})


def compress_bitrate(clip: Pixels, codec: str, bits: int) -> Pixels:
    """A clip after `codec` at one frame a second and `bits` a second, which makes it the budget of a frame."""
    return _through(clip, codec, 1, {}, bits)


def _through(clip: Pixels, codec: str, rate: int, options: Mapping[str, str], bits: int | None = None) -> Pixels:
    height, width = clip.shape[1:3]
    whole = np.pad(clip, ((0, 0), (0, -height % _BLOCK), (0, -width % _BLOCK), (0, 0)), mode="edge")
    decoded = _decode(_encode(whole, codec, rate, options, bits))
    if decoded.shape != whole.shape:
        raise MediaError(f"{codec} gave {decoded.shape[0]} frames for {len(whole)}")
    return decoded[:, :height, :width]


def _encode(clip: Pixels, codec: str, rate: int, options: Mapping[str, str], bits: int | None) -> io.BytesIO:
    file = io.BytesIO()
    with av.open(file, "w", format=_FILE) as out:
        stream = out.add_stream(codec, rate=rate, options=dict(options))
        assert isinstance(stream, av.VideoStream)
        stream.codec_context.thread_count = 1  # as an option, `threads` is overruled
        if codec != "mpeg4":
            stream.options = {**options, **_NO_LOOKAHEAD}
        stream.height, stream.width, stream.pix_fmt = clip.shape[1], clip.shape[2], "yuv420p"
        if bits:
            stream.bit_rate = bits
        for pixels in clip:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(_to_yuv420(pixels), format="yuv420p")))
        out.mux(stream.encode(None))
    file.seek(0)
    return file


def _decode(file: io.BytesIO) -> Pixels:
    with av.open(file, "r") as container:
        return np.stack([_to_rgb(np.asarray(frame.to_ndarray(), np.uint8)) for frame in container.decode(video=0)])


def _to_yuv420(pixels: Pixels) -> Pixels:
    """(H, W, 3) RGB to the three planes on top of each other, (3 H / 2, W); sizes are even."""
    height, width = pixels.shape[:2]
    yuv = cv2.transform(pixels.astype(np.float32), _FORWARD)
    small = cv2.resize(yuv[..., 1:], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    planes = [yuv[..., 0].ravel(), small[..., 0].ravel(), small[..., 1].ravel()]
    return np.asarray(np.concatenate(planes) + 0.5, np.uint8).reshape(height * 3 // 2, width)


def _to_rgb(planes: Pixels) -> Pixels:
    """The way back, with bilinear chroma."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    yuv = np.empty((height, width, 3), np.float32)
    yuv[..., 0] = planes[:height]
    small = planes[height:].reshape(2, height // 2, width // 2).astype(np.float32)
    for index in range(2):
        yuv[..., index + 1] = cv2.resize(small[index], (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(cv2.transform(yuv, _BACK) + 0.5, 0, 255.5), np.uint8)


def _matrices() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """RGB 0..255 to BT.709 Y'CbCr 16..235 and 16..240, and its inverse, as 3x4 matrices with an offset."""
    red, _, blue = LUMA_709
    luma = np.array([red, 1 - red - blue, blue])
    chroma_blue = (np.array([0, 0, 1]) - luma) / (2 * (1 - blue))
    chroma_red = (np.array([1, 0, 0]) - luma) / (2 * (1 - red))
    linear = np.stack([luma * 219, chroma_blue * 224, chroma_red * 224]) / 255
    offset = np.array([16, 128, 128])
    inverse = np.linalg.inv(linear)
    forward, back = np.column_stack([linear, offset]), np.column_stack([inverse, -inverse @ offset])
    return forward.astype(np.float32), back.astype(np.float32)


_FORWARD, _BACK = _matrices()
