"""FFmpeg's defaults per container: accepted stream types, default encoder, frame rate mode. Pure tables."""

from __future__ import annotations

from ffmpeg_filter.command.argv import File

_PICTURES = {
    "264", "265", "apng", "avif", "bmp", "dpx", "exr", "gif", "gif_pipe", "h264", "h265", "hevc", "image2",
    "image2pipe", "ivf", "jpeg", "jpg", "jxl", "m1v", "m2v", "mjpeg", "pam", "pgm", "png", "ppm", "rawvideo", "tga",
    "tif", "tiff", "webp", "y4m", "yuv", "yuv4mpegpipe",
}  # fmt: skip
_AUDIO = {"aac", "ac3", "adts", "eac3", "flac", "mka", "mp2", "mp3", "oga", "opus", "wav"}
_TEXTS = {"ass", "srt", "ssa", "vtt", "webvtt"}
_TEXT_SUBTITLES = {"mkv", "matroska", "webm", "hls", "m3u8", *_TEXTS}
"""Muxers for which FFmpeg maps text subtitles; bitmaps it maps for none."""
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
"""Muxers that accept variable frame rate. For all others FFmpeg duplicates and drops frames."""
_MP4 = {"mov", "mp4"}
_PROFILED = {*_MP4, "3g2", "3gp", "f4v", "ipod", "ismv", "m4v", "psp"}
"""Muxers that write the ICC profile of a stream."""
_VARIABLE_MP4 = (59, 39)
"""libavutil of FFmpeg 7.1, the first whose MP4 muxer accepts variable frame rate."""
_MANY_FILES = {
    "dash", "fifo", "hds", "hls", "ism", "m3u8", "mpd", "null", "rtsp", "sap", "segment", "smoothstreaming",
    "ssegment", "stream_segment", "tee", "webm_chunk",
}  # fmt: skip
_SEQUENCES = {
    "bmp", "dpx", "exr", "hdr", "image2", "im1", "im24", "im8", "j2c", "j2k", "jls", "jp2", "jpeg", "jpg", "jxl",
    "ljpg", "pam", "pbm", "pcx", "pfm", "pgm", "pgmyuv", "phm", "pix", "png", "ppm", "qoi", "ras", "rs", "sgi", "sun",
    "sunras", "tga", "tif", "tiff", "vbn", "wbmp", "xbm", "xface", "xwd",
}  # fmt: skip
"""Muxers in which a percent sign in the file name is a pattern."""


def muxer_of(output: File) -> str:
    """The muxer's name, or the file name suffix that selects it."""
    name = output.url.rpartition("/")[2]
    return output.last("f") or (name.rpartition(".")[2].lower() if "." in name else "")


def takes_by_default(output: File, kind: str) -> bool:
    """Whether FFmpeg maps streams of that type (video or audio) by default."""
    name = muxer_of(output)
    return name not in _TEXTS and name not in (_AUDIO if kind == "video" else _PICTURES)


def takes_subtitles(output: File, *, bitmaps: bool) -> bool:
    """Whether FFmpeg maps bitmap or text subtitles by default."""
    return output.last("c:s") is not None or (muxer_of(output) in _TEXT_SUBTITLES and not bitmaps)


def fills_gaps(output: File, version: tuple[int, int]) -> bool:
    """Whether FFmpeg duplicates frames to fill gaps by default. `version` is libavutil's."""
    name = muxer_of(output)
    return name not in _VARIABLE_RATE or (name in _MP4 and version < _VARIABLE_MP4)


def keeps_profile(output: File) -> bool:
    """Whether FFmpeg writes the ICC profile of a stream into the container."""
    return muxer_of(output) in _PROFILED


def has_fixed_rate(output: File, codec: str) -> bool:
    """Whether the output has a constant frame rate, whatever the source has."""
    name = muxer_of(output)
    return name in _FIXED_RATE or (codec or _ENCODERS.get(name, "")) in _FIXED_RATE_CODECS


def is_one_file(output: File) -> bool:
    """Whether FFmpeg writes exactly one file, with the given name."""
    name = muxer_of(output)
    return name not in _MANY_FILES and not (name in _SEQUENCES and "%" in output.url)
