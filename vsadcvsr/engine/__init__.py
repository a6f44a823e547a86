"""The engine: upscaling of one clip, in order or at random, independent of network and host."""

from __future__ import annotations

from vsadcvsr.engine.engine import EndOfClip, Engine, load
from vsadcvsr.engine.runner import EngineOptions, InputFrame

__all__ = ["EndOfClip", "Engine", "EngineOptions", "InputFrame", "load"]
