"""AdcVSR in FFmpeg command lines."""
