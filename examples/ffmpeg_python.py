"""AdcVSR inside an ffmpeg-python chain, sound untouched: python examples/ffmpeg_python.py SOURCE OUT.mkv"""

import sys

import ffmpeg

import ffmpeg_filter.fluent  # noqa: F401 - adds adcvsr() to streams and run_adcvsr() to outputs


def main(source: str, out: str) -> None:
    given = ffmpeg.input(source)
    video = given.video.filter("hqdn3d", 2).adcvsr(model="fast", scale=2).filter("format", "yuv420p10le")
    made = ffmpeg.output(video, given["a?"], out, vcodec="libx265", crf=18, acodec="copy")
    made.overwrite_output().run_adcvsr()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
