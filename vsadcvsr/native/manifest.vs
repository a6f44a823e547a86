[VapourSynth Manifest V1]
libadcvsr
