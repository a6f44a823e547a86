"""Syntax of `backend_options`: options of a library by its own names, as FFmpeg's DNN filters have it."""

from __future__ import annotations

from vsadcvsr.errors import UsageError

type Settings = tuple[tuple[str, str], ...]
"""Names and values, sorted by name."""

_BACKENDS = ("ort", "openvino")


def parse_settings(text: str, backend: str) -> Settings:
    """The options in `text` for a backend, whose names are checked where its library is. Raises UsageError."""
    if not isinstance(text, str):
        raise UsageError.of("backend_options", text, "text of the form key=value&key=value")
    pairs: dict[str, str] = {}
    for part in filter(None, text.split("&")):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not (name and equals and value):
            raise UsageError.of("backend_options", text, "key=value&key=value", f"{part!r} is no key=value")
        if name in pairs:
            raise UsageError(f"backend_options have {name} twice ({pairs[name]!r} and {value!r}); give it once")
        pairs[name] = value
    if pairs and backend not in _BACKENDS:
        names = " or ".join(map(repr, _BACKENDS))
        raise UsageError(f"backend_options need backend={names}, each of which has names of its own; it is {backend!r}")
    return tuple(sorted(pairs.items()))
