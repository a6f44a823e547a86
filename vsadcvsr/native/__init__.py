"""Native code: the VapourSynth plugin in C, and the build hooks that put it into a wheel."""
