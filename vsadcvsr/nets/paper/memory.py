"""Memory of the paper's network, calculated from its dimensions.

A step's peak is that of its widest layer, including tensors that Python still references. Feature maps are counted in
channels per input pixel. With the paper's dimensions the peak is in the decoder's last stage, at the full output size:
5120 values per input pixel.
"""

from __future__ import annotations

import math

from vsadcvsr.nets.paper.config import UNSHUFFLED, PaperDims, StatePart
from vsadcvsr.spec import MemoryNeeds

_FP32 = 4
_CONV_READS = 2


def memory_needs(
    dims: PaperDims, size: tuple[int, int], *, item_size: int, weights: int, retryable: bool = False
) -> MemoryNeeds:
    """Memory for frames of (height, width), one a step, numbers of `item_size` bytes and `weights` bytes of weights.

    `retryable` is for fp16, whose steps may have to be repeated in fp32.
    """
    convolutions = [part for part in dims.state if part.channels and not part.reads]
    skips = [part for part in dims.state if part.reads]
    pixels = math.prod(size)
    return MemoryNeeds(
        weights=weights,
        activations=peak_activations(dims, size, _FP32 if retryable else item_size),
        temporal_states=sum(_bytes(part, size, part.frames + retryable, item_size) for part in convolutions),
        skip_delays=sum(_bytes(part, size, part.frames + 1, item_size) for part in skips),
        temporal_staging=sum(_bytes(part, size, _CONV_READS + 1, item_size) for part in convolutions),
        skip_staging=sum(_bytes(part, size, len(part.reads) + 1, item_size) for part in skips),
        temporal_host=sum(
            _pinned_size(_bytes(part, size, part.frames + retryable, item_size)) for part in convolutions
        ),
        skip_host=sum(_pinned_size(_bytes(part, size, part.frames + 1, item_size)) for part in skips),
        io_buffers=pixels * 3 * (3 * _FP32 + 2 * dims.spec.scale**2 * item_size),
    )


def peak_activations(dims: PaperDims, size: tuple[int, int], item_size: int) -> int:
    """Peak bytes of live activations of a step of one frame, without state and I/O buffers."""
    channels = max(*_decoder_channels(dims), *_unet_channels(dims)) * item_size
    area, pixels = dims.spec.scale**2, math.prod(size)
    finest = dims.decoder[-1] * area
    head = finest * (2 * item_size + (_FP32 if item_size != _FP32 else 0)) + 3 * area * _FP32
    return math.ceil(max(channels, head) * pixels)


def _decoder_channels(dims: PaperDims) -> list[float]:
    """Live channels per input pixel, for each layer."""
    area, before, channels = (
        1 / 4,
        dims.decoder[0],
        [_attention(dims.decoder[0]) / 4, _resnet(*dims.decoder[:1] * 2) / 4],
    )
    for index, width in enumerate(dims.decoder):
        channels += [_resnet(before, width) * area, _resnet(width, width) * area * (dims.decoder_layers > 1)]
        if index < len(dims.decoder) - 1:
            channels.append(width * area * (1 + 4 + 4))  # small, doubled, and the convolution's
            area *= 4
        before = width
    return channels


def _unet_channels(dims: PaperDims) -> list[float]:
    """As `_decoder_channels`, for the UNet; on the way up a layer's input is a concatenation. Skips are live all the
    way.
    """
    grids = list(zip(dims.widths, dims.divisors, strict=True))
    skips = sum(width * dims.layers / divisor**2 for width, divisor in grids)
    channels = []
    for level, (width, divisor) in enumerate(grids):
        deeper = dims.widths[min(level + 1, len(grids) - 1)]
        in_channels = deeper + width
        channels += [
            skips + (width + deeper + _resnet(in_channels, width)) / divisor**2,
            skips + (in_channels + width + _transformer(width)) / divisor**2,
        ]
    return channels


def _resnet(in_channels: int, out_channels: int) -> int:
    """The input is live; then the normalised input and the first convolution's output, or three of the output's size.
    """
    return in_channels + max(in_channels + out_channels, 3 * out_channels)


def _transformer(channels: int) -> int:
    """Input and tokens; the gated layer of eight times the width, its activated gate and the product, four times each.
    """
    return (2 + 8 + 4 + 4) * channels


def _attention(channels: int) -> int:
    """Input, tokens, the normalised input; query, key and value; the attention's output twice."""
    return (3 + 3 + 2) * channels


def _bytes(part: StatePart, size: tuple[int, int], frames: int, item_size: int) -> int:
    return (
        frames * math.prod(part.shape(*size)[1:]) * (_FP32 if part.channels == UNSHUFFLED and part.reads else item_size)
    )


def _pinned_size(count: int) -> int:
    """Bytes that torch allocates for so much pinned memory: a power of two."""
    return 1 << (count - 1).bit_length()
