"""AdcVSR as a filter of ffmpeg-python, with the sound copied: python examples/ffmpeg_python.py SOURCE OUT.mkv"""

import sys

import ffmpeg

import ffmpeg_filter.fluent  # noqa: F401 - adds adcvsr() to streams and run_adcvsr() to outputs


def main(source: str, target: str) -> None:
    film = ffmpeg.input(source)
    video = film.video.filter("hqdn3d", 2).adcvsr(model="fast", scale=2).filter("format", "yuv420p10le")
    output = ffmpeg.output(video, film["a?"], target, vcodec="libx265", crf=18, acodec="copy")
    output.overwrite_output().run_adcvsr()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
