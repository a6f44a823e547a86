"""The typed Python API: upscale a file and save frame N as PNG. python examples/python_api.py SOURCE N OUT.png"""

import sys

import av
import numpy as np
import vapoursynth as vs

import vsadcvsr


def main(source: str, number: int, out: str) -> None:
    clip = vs.core.bs.VideoSource(source, cachemode=0, showprogress=False)
    large = vsadcvsr.upscale(clip, scale=3, format=vs.RGB24)
    with large.get_frame(number) as frame:
        pixels = np.stack([np.asarray(frame[plane]) for plane in range(3)], axis=-1)
    with av.open(out, "w") as file:
        stream = file.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = large.width, large.height, "rgb24"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode(None))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
