"""AdcVSR between PyAV's decoder and encoder, times and colours kept: python examples/pyav_loop.py SOURCE OUT.mkv"""

import sys

import av

from ffmpeg_filter import upscale_frames

COLOURS = ("colorspace", "color_range", "color_primaries", "color_trc")


def main(source: str, target: str) -> None:
    with av.open(source) as reader, av.open(target, "w") as writer:
        decoder = reader.streams.video[0]
        decoder.thread_type = "AUTO"
        encoder = writer.add_stream("libx264", rate=decoder.average_rate, options={"crf": "18"})
        encoder.codec_context.time_base = decoder.time_base  # else times are rounded to 1/rate
        encoder.codec_context.sample_aspect_ratio = decoder.sample_aspect_ratio or 0

        for n, frame in enumerate(upscale_frames(reader.decode(decoder), model="fast", scale=2)):
            if n == 0:
                encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, frame.format.name
                for name in COLOURS:
                    setattr(encoder.codec_context, name, getattr(frame, name))
            writer.mux(encoder.encode(frame))
        writer.mux(encoder.encode(None))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
