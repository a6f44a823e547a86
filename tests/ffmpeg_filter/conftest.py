"""The plugin, as for the tests of the VapourSynth face."""

from tests.plugin.conftest import plugin, threads

__all__ = ["plugin", "threads"]
