"""AdcVSR between PyAV's decoder and encoder, times and colours kept: python examples/pyav_loop.py SOURCE OUT.mkv"""

import sys

import av

from ffmpeg_filter.frames import upscale_frames

COLOURS = ("colorspace", "color_range", "color_primaries", "color_trc")


def main(source: str, out: str) -> None:
    with av.open(source) as given, av.open(out, "w") as made:
        small = given.streams.video[0]
        small.thread_type = "AUTO"
        large = made.add_stream("libx264", rate=small.average_rate, options={"crf": "18"})
        large.codec_context.time_base = small.time_base  # else times are rounded to 1/rate
        large.codec_context.sample_aspect_ratio = small.sample_aspect_ratio or 0

        for n, frame in enumerate(upscale_frames(given.decode(small), model="fast", scale=2)):
            if n == 0:
                large.width, large.height, large.pix_fmt = frame.width, frame.height, frame.format.name
                for name in COLOURS:
                    setattr(large.codec_context, name, getattr(frame, name))
            made.mux(large.encode(frame))
        made.mux(large.encode(None))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
