"""Upscales the shipped clip, once in VapourSynth and once in an ffmpeg command, and shows bicubic and AdcVSR side by
side, whole frames and a detail: python examples/demo.py [OUT_DIR]
"""

import sys
from pathlib import Path

import av
import numpy as np
import vapoursynth as vs
from rich.progress import track

from ffmpeg_filter.cli import main as ffadcvsr

CLIP = Path(__file__).parent / "media" / "clip.mp4"
SHOWN = (8, 30)  # one frame of each shot
DETAIL = {"left": 256, "top": 44, "width": 240, "height": 180}  # of the first of them


type Picture = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


def pixels(frame: vs.VideoFrame) -> Picture:
    return np.stack([np.asarray(frame[plane]) for plane in range(3)], axis=-1)


def detail(name: str, clip: vs.VideoNode) -> vs.VideoNode:
    """A part of the clip at twice its size, with its name in a corner."""
    part = vs.core.std.CropAbs(clip, **DETAIL)
    return part.resize.Point(2 * part.width, 2 * part.height).text.Text(name, alignment=1)


def save(path: Path, pictures: list[Picture], codec: str, rate: int, **options: str) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = {"png": "rgb24", "mjpeg": "yuvj444p"}.get(codec, "yuv420p")
        for picture in pictures:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    clip = vs.core.bs.VideoSource(str(CLIP), cachemode=0, showprogress=False)
    large = vs.core.adcvsr.Upscale(clip, format=vs.RGB24)
    plain = vs.core.resize.Bicubic(clip, large.width, large.height, format=vs.RGB24)
    made = [pixels(frame) for frame in track(large.frames(close=True), "upscaling", total=len(large))]
    save(out / "upscaled.mp4", made, "libx264", 20, crf="16")
    pairs = [np.concatenate([pixels(plain.get_frame(n)), made[n]], axis=1) for n in SHOWN]
    save(out / "side_by_side.png", [np.concatenate(pairs)], "png", 1)
    details = vs.core.std.StackHorizontal([detail("bicubic", plain), detail("AdcVSR", large)])
    save(out / "before_after.jpg", [pixels(details.get_frame(SHOWN[0]))], "mjpeg", 1, qmin="3", qmax="3")
    command = f"-y -i {CLIP} -f lavfi -i sine=330:d=2 -vf adcvsr -map 0:v -map 1:a -c:v libx264 -crf 16"
    if ffadcvsr([*command.split(), str(out / "with_sound.mp4")]):
        raise SystemExit(1)
    print(f"{out / 'upscaled.mp4'}: {len(made)} frames of {large.width}x{large.height}")
    print(f"{out / 'with_sound.mp4'}: the same by `ffadcvsr {command}`")
    print(f"{out / 'side_by_side.png'}, {out / 'before_after.jpg'}: bicubic left, AdcVSR right")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("demo"))
