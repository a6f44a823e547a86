"""What FFmpeg does by itself for a container: which streams it takes, with which encoder, at what rate. Pure tables."""

from __future__ import annotations

from ffmpeg_filter.command.argv import File

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
_VARIABLE_RATE = {
    "apng", "flv", "framecrc", "framehash", "framemd5", "gif", "hash", "m2t", "m2ts", "matroska", "md5", "mkv", "mov",
    "mp4", "mpegts", "mts", "null", "nut", "streamhash", "ts", "uncodedframecrc", "webm", "webp",
}  # fmt: skip
"""Formats whose muxers say that they take frames at any time. Those of others FFmpeg repeats and drops."""
_MP4 = {"mov", "mp4"}
_VARIABLE_MP4 = (58, 0)
"""libavutil of FFmpeg 6, whose MP4 muxer is the first to say so."""
_MANY_FILES = {
    "dash", "fifo", "hds", "hls", "ism", "m3u8", "mpd", "null", "rtsp", "sap", "segment", "smoothstreaming",
    "ssegment", "stream_segment", "tee", "webm_chunk",
}  # fmt: skip
_SEQUENCES = {
    "bmp", "dpx", "exr", "hdr", "image2", "im1", "im24", "im8", "j2c", "j2k", "jls", "jp2", "jpeg", "jpg", "jxl",
    "ljpg", "pam", "pbm", "pcx", "pfm", "pgm", "pgmyuv", "phm", "pix", "png", "ppm", "qoi", "ras", "rs", "sgi", "sun",
    "sunras", "tga", "tif", "tiff", "vbn", "wbmp", "xbm", "xface", "xwd",
}  # fmt: skip
"""Formats in which a percent sign in the name is a pattern: for a number, or for the time."""


def form(output: File) -> str:
    """The name of a muxer, or what tells it: the end of a file's name."""
    name = output.url.rpartition("/")[2]
    return output.last("f") or (name.rpartition(".")[2].lower() if "." in name else "")


def holds(output: File, kind: str) -> bool:
    """Whether streams of that kind, video or audio, are put in without being asked for."""
    name = form(output)
    return name not in _WORDS and name not in (_SOUNDS if kind == "video" else _PICTURES)


def takes_subtitles(output: File, *, bitmaps: bool) -> bool:
    """Whether subtitles, as pictures or as text, are put in without being asked for."""
    return output.last("c:s") is not None or _SUBTITLES.get(form(output)) == ("bitmap" if bitmaps else "text")


def fills_gaps(output: File, version: tuple[int, int]) -> bool:
    """Whether FFmpeg repeats frames where time goes on, though nothing else says so. `version` is libavutil's."""
    name = form(output)
    return name not in _VARIABLE_RATE or (name in _MP4 and version < _VARIABLE_MP4)


def has_fixed_rate(output: File, codec: str) -> bool:
    """Whether its pictures come at equal distances, whatever the source's do."""
    name = form(output)
    return name in _FIXED_RATE or (codec or _ENCODERS.get(name, "")) in _FIXED_RATE_CODECS


def is_one_file(output: File) -> bool:
    """Whether FFmpeg writes one file, and that to the name which is given."""
    name = form(output)
    return name not in _MANY_FILES and not (name in _SEQUENCES and "%" in output.url)
