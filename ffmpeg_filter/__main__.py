"""`python -m ffmpeg_filter`: the command `ffadcvsr`."""

from ffmpeg_filter.program import run

if __name__ == "__main__":
    run()
