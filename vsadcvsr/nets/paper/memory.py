"""What memory the paper's student takes, by calculation from its dimensions: to be planned before it is taken.

A step's peak is that of its widest layer, with what Python holds meanwhile. Maps are counted in channels, each over the
part of the input's pixels that its grid has. In the paper's dimensions the peak is in the decoder's last stage, at the
full size of the picture: 5120 numbers for each pixel of the input.
"""

from __future__ import annotations

import math

from vsadcvsr.nets.paper.config import UNSHUFFLED, PaperDims, Part
from vsadcvsr.spec import SCALE, Needs

_FP32 = 4
_SITE_READS = 2


def needs(dims: PaperDims, size: tuple[int, int], *, value: int, weights: int, again: bool = False) -> Needs:
    """For frames of (height, width), one a step, in numbers of `value` bytes, with so many bytes of weights.

    `again` is for fp16, whose steps may have to be taken again in fp32.
    """
    sites = [part for part in dims.state if part.channels and not part.reads]
    lines = [part for part in dims.state if part.reads]
    pixels = math.prod(size)
    return Needs(
        weights=weights,
        working=working(dims, size, _FP32 if again else value),
        sites=sum(_bytes(part, size, part.frames + again, value) for part in sites),
        lines=sum(_bytes(part, size, part.frames + 1, value) for part in lines),
        sites_desk=sum(_bytes(part, size, _SITE_READS + 1, value) for part in sites),
        lines_desk=sum(_bytes(part, size, len(part.reads) + 1, value) for part in lines),
        sites_host=sum(_block(_bytes(part, size, part.frames + again, value)) for part in sites),
        lines_host=sum(_block(_bytes(part, size, part.frames + 1, value)) for part in lines),
        ends=pixels * 3 * (3 * _FP32 + 2 * SCALE**2 * value),
    )


def working(dims: PaperDims, size: tuple[int, int], value: int) -> int:
    """The most that a step of one frame has made and not yet dropped, without its state and its two ends."""
    counted = max(*_decoder(dims), *_unet(dims)) * value
    finest, pixels = dims.decoder[-1] * SCALE**2, math.prod(size)
    head = finest * (2 * value + (_FP32 if value != _FP32 else 0)) + 3 * SCALE**2 * _FP32
    return math.ceil(max(counted, head) * pixels)


def _decoder(dims: PaperDims) -> list[float]:
    """Channels over the input's pixels, for each layer."""
    area, before, counted = (
        1 / 4,
        dims.decoder[0],
        [_attention(dims.decoder[0]) / 4, _resnet(*dims.decoder[:1] * 2) / 4],
    )
    for index, width in enumerate(dims.decoder):
        counted += [_resnet(before, width) * area, _resnet(width, width) * area * (dims.decoder_layers > 1)]
        if index < len(dims.decoder) - 1:
            counted.append(width * area * (1 + 4 + 4))  # small, doubled, and the convolution's
            area *= 4
        before = width
    return counted


def _unet(dims: PaperDims) -> list[float]:
    """As `_decoder`; on the way up, where a layer's input is joined from two. What is set aside is held all the way."""
    grids = list(zip(dims.widths, dims.divisors, strict=True))
    aside = sum(width * dims.layers / divisor**2 for width, divisor in grids)
    counted = []
    for level, (width, divisor) in enumerate(grids):
        below = dims.widths[min(level + 1, len(grids) - 1)]
        entering = below + width
        counted += [
            aside + (width + below + _resnet(entering, width)) / divisor**2,
            aside + (entering + width + _transformer(width)) / divisor**2,
        ]
    return counted


def _resnet(entering: int, leaving: int) -> int:
    """The input is held; then what is normalised and the first convolution's, or three of what leaves."""
    return entering + max(entering + leaving, 3 * leaving)


def _transformer(channels: int) -> int:
    """Input and places; the gated layer, eight wide, its gate lit and the two multiplied, four each."""
    return (2 + 8 + 4 + 4) * channels


def _attention(channels: int) -> int:
    """Input, its places, what is normalised; query, key and value; what they make of each other."""
    return (3 + 3 + 2) * channels


def _bytes(part: Part, size: tuple[int, int], frames: int, value: int) -> int:
    return frames * math.prod(part.shape(*size)[1:]) * (_FP32 if part.channels == UNSHUFFLED and part.reads else value)


def _block(count: int) -> int:
    """What torch takes for so many bytes of pinned memory: a power of two."""
    return 1 << (count - 1).bit_length()
