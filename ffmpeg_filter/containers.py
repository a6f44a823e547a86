"""What FFmpeg does by itself for a container: which streams it takes, with which encoder, at what rate. Pure tables."""

from __future__ import annotations

from pathlib import Path

from ffmpeg_filter.argv import File
from ffmpeg_filter.facts import is_pipe

PART = ".adcvsr-part"
_PICTURES = {
    "264", "265", "apng", "avif", "bmp", "dpx", "exr", "gif", "gif_pipe", "h264", "h265", "hevc", "image2",
    "image2pipe", "ivf", "jpeg", "jpg", "jxl", "m1v", "m2v", "mjpeg", "pam", "pgm", "png", "ppm", "rawvideo", "tga",
    "tif", "tiff", "webp", "y4m", "yuv", "yuv4mpegpipe",
}  # fmt: skip
_SOUNDS = {"aac", "ac3", "adts", "eac3", "flac", "mka", "mp2", "mp3", "oga", "opus", "wav"}
_WORDS = {"ass", "srt", "ssa", "vtt", "webvtt"}
_SUBTITLES = {
    "mkv": "text", "matroska": "text", "webm": "text", "hls": "text", "m3u8": "text", **dict.fromkeys(_WORDS, "text"),
}  # fmt: skip
_ENCODERS = {
    "3gp": "h263", "avi": "mpeg4", "mpeg": "mpeg1video", "mpg": "mpeg1video", "mpegts": "mpeg2video", "nut": "mpeg4",
    "m2ts": "mpeg2video", "ts": "mpeg2video", "vob": "mpeg2video",
}  # fmt: skip
_FIXED_RATE_CODECS = {
    "dvvideo", "h263", "h263p", "libxvid", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4", "msmpeg4v2",
}  # fmt: skip
_FIXED_RATE = {"apng", "avi", "dv", "gif", "gxf", "mpeg", "mpg", "mxf", "vob", "y4m", "yuv4mpegpipe"}
_MANY_FILES = {
    "dash", "hls", "ism", "m3u8", "mpd", "null", "segment", "smoothstreaming", "ssegment", "stream_segment", "tee",
    "image2",
}  # fmt: skip


def form(output: File) -> str:
    """The name of a muxer, or what tells it: the end of a file's name."""
    return output.last("f") or Path(output.url).suffix[1:].lower()


def holds(output: File, kind: str) -> bool:
    """Whether streams of that kind, video or audio, are put in without being asked for."""
    name = form(output)
    return name not in _WORDS and name not in (_SOUNDS if kind == "video" else _PICTURES)


def takes_subtitles(output: File, *, bitmaps: bool) -> bool:
    """Whether subtitles, as pictures or as text, are put in without being asked for."""
    return output.last("c:s") is not None or _SUBTITLES.get(form(output)) == ("bitmap" if bitmaps else "text")


def has_fixed_rate(output: File, codec: str) -> bool:
    """Whether its pictures come at equal distances, whatever the source's do."""
    name = form(output)
    return name in _FIXED_RATE or (codec or _ENCODERS.get(name, "")) in _FIXED_RATE_CODECS


def part_of(output: File) -> str | None:
    """The name of an output until it is whole; None for what is no single file."""
    url = output.url.removeprefix("file:")
    if is_pipe(url) or "://" in url or "%" in url or form(output) in _MANY_FILES:
        return None
    path = Path(url)
    if path.exists() and not path.is_file():
        return None  # a device, such as /dev/null
    return str(path.with_name(path.stem + PART + path.suffix)) if path.suffix or output.last("f") else None
