"""The ffmpeg-python operator: importing this adds `adcvsr` to its streams and `run_adcvsr` to its outputs.

    ffmpeg.input("in.mp4").adcvsr(scale=2).output("out.mp4").run_adcvsr()

`run_adcvsr()` is `run(cmd="ffadcvsr")`, or that of this environment if none is on PATH; ffmpeg-python's run, run_async
and compile accept the same `cmd`. Failures are an `ffmpeg.Error` with one line in its `stderr`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from vsadcvsr.errors import BackendError
from vsadcvsr.extras import install, needs

with needs("ffmpeg", "the operator", __name__):
    try:
        import ffmpeg
        from ffmpeg.nodes import FilterNode, filter_operator, output_operator
    except ImportError as error:
        message = f"the operator needs ffmpeg-python ({error}); run `{install('ffmpeg')}`, and before it"
        raise BackendError(f"{message} `pip uninstall typed-ffmpeg` if installed: both are called ffmpeg") from error


@filter_operator()  # type: ignore[untyped-decorator, unused-ignore]
def adcvsr(stream: Any, **options: object) -> Any:  # noqa: ANN401 - ffmpeg-python has no types
    """The stream upscaled by AdcVSR. Options are those of `adcvsr=…` in a filter graph; `tile` may be a pair too."""
    if isinstance(tile := options.get("tile"), list | tuple):
        options["tile"] = "x".join(map(str, tile))
    return FilterNode(stream, "adcvsr", kwargs=options).stream()


@output_operator()  # type: ignore[untyped-decorator, unused-ignore]
def run_adcvsr(stream: Any, **arguments: Any) -> tuple[bytes, bytes]:  # noqa: ANN401 - as above
    """ffmpeg-python's `run`, with its arguments, for graphs with `adcvsr`."""
    environment = str(Path(sys.executable).parent)  # where no environment is active
    program = shutil.which("ffadcvsr") or shutil.which("ffadcvsr", path=environment) or "ffadcvsr"
    out: tuple[bytes, bytes] = ffmpeg.run(stream, **{"cmd": program, **arguments})
    return out
