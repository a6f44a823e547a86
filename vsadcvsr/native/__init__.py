"""The native part: the VapourSynth plugin in C, and the hooks that put it into a wheel."""
