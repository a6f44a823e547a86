"""Every episode of a folder through ffadcvsr, with sound and subtitles copied: python examples/batch.py IN_DIR OUT_DIR

Finished episodes are skipped, so run it again to resume. ADCVSR_MODEL chooses the model.
"""

import os
import subprocess
import sys
from pathlib import Path

SUFFIXES = {".mkv", ".mp4", ".m4v", ".mov", ".avi", ".ts", ".webm"}
MODEL = os.environ.get("ADCVSR_MODEL", "fast")
FILTERS = f"adcvsr=model={MODEL}:scale=2,format=yuv420p10le"
ENCODER = "-c:v libx265 -preset medium -crf 17 -tune animation -x265-params log-level=error"


def upscale(episode: Path, out: Path) -> int:
    """FFmpeg's exit status. The output has its final name only if that is 0."""
    command = ["ffadcvsr", "-hide_banner", "-i", str(episode), "-vf", FILTERS, "-map", "0", "-c", "copy"]
    return subprocess.run([*command, *ENCODER.split(), str(out)], check=False).returncode


def main(source: Path, target: Path) -> int:
    target.mkdir(parents=True, exist_ok=True)
    failed = 0
    for episode in sorted(path for path in source.iterdir() if path.suffix.lower() in SUFFIXES):
        out = target / f"{episode.stem}.mkv"
        if out.exists():
            print(f"{out.name}: exists, skipped")
            continue
        status = upscale(episode, out)
        failed += status != 0
        print(f"{out.name}: {'done' if status == 0 else f'failed with status {status}'}", flush=True)
        if status == 255:  # Ctrl-C
            return status
    return min(failed, 1)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2])))
