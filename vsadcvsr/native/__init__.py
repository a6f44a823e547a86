"""Native code: one library in C, the VapourSynth plugin and the kernel of `vsadcvsr.sharpen`, and the build hooks that
put it into a wheel.
"""
