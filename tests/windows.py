"""A stand-in for Windows: `python -m tests.windows MODULE:FUNCTION WORDS…` calls the function in a process that lacks
what Windows lacks, with `sys.argv` as for a command.

Libraries are loaded before, as they are on this system; it is our own modules that are tried.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_MODULES = ("fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "spwd", "syslog", "termios", "tty")
_LIBRARIES = (
    "asyncio", "av", "click", "concurrent.futures.process", "cv2", "multiprocessing.spawn", "numpy", "onnxruntime",
    "rich.console", "rich.live", "rich.progress", "safetensors", "socket", "tempfile", "typer.main", "vapoursynth",
)  # fmt: skip
_CALLS = (
    "chown", "fchmod", "fchown", "fork", "forkpty", "geteuid", "getgid", "getloadavg", "getpgid", "getuid", "killpg",
    "lchown", "mkfifo", "mknod", "nice", "openpty", "pipe2", "posix_spawn", "pread", "pwrite", "sched_getaffinity",
    "sched_setaffinity", "sendfile", "setpgid", "setsid", "statvfs", "sysconf", "uname", "wait", "wait4",
)  # fmt: skip
_SIGNALS = ("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGUSR1", "SIGUSR2")
_SIGNAL_CALLS = ("alarm", "pthread_sigmask", "pthread_kill", "setitimer", "sigwait", "siginterrupt")
_OF_POSIX = ("process_group", "preexec_fn", "start_new_session", "pass_fds", "user", "group", "umask")


class _Absent(MetaPathFinder):
    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname in _MODULES:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


class _Popen(subprocess.Popen[Any]):
    """Takes no argument that has no meaning on Windows."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        meant = [name for name in _OF_POSIX if options.get(name) not in (None, (), [])]
        assert not meant, f"{meant} have no meaning on Windows"
        options.pop("creationflags", None)
        super().__init__(*arguments, **options)


class _Changed(ModuleType):
    """A module that both packages see as it is on Windows, and all others as it is here."""

    def __init__(self, module: ModuleType, absent: Sequence[str] = (), values: Mapping[str, object] = {}) -> None:
        for name, value in (("real", module), ("absent", set(absent)), ("values", values or {})):
            object.__setattr__(self, name, value)

    def __getattribute__(self, name: str) -> Any:
        real, absent, values = (object.__getattribute__(self, kept) for kept in ("real", "absent", "values"))
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if caller.partition(".")[0] in {"vsadcvsr", "ffmpeg_filter"}:
            if name in absent:
                raise AttributeError(f"module {real.__name__!r} has no attribute {name!r} on Windows")
            if name in values:
                return values[name]
        return getattr(real, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(object.__getattribute__(self, "real"), name, value)


def _no_exec(*_: object) -> None:
    raise AssertionError("on Windows exec returns to the shell at once")


def become_windows() -> None:
    """From now on this process lacks what Windows lacks."""
    for name in _LIBRARIES:
        importlib.import_module(name)
    for name in _MODULES:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, _Absent())
    calls = dict.fromkeys(("execv", "execve", "execvp", "execvpe", "execl", "execlp"), _no_exec)
    sys.modules["os"] = _Changed(os, _CALLS, calls)
    sys.modules["signal"] = _Changed(signal, (*_SIGNALS, *_SIGNAL_CALLS))
    sys.modules["sys"] = _Changed(sys, values={"platform": "win32"})
    sys.modules["subprocess"] = _Changed(subprocess, values={"Popen": _Popen, "CREATE_NEW_PROCESS_GROUP": 0x200})


def import_all() -> None:
    """Imports every module of both packages; prints how many, and those that failed."""
    count, failed = 0, []
    for package in ("vsadcvsr", "ffmpeg_filter"):
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if module.name.startswith("vsadcvsr.native."):
                continue  # hooks of the build
            try:
                importlib.import_module(module.name)
                count += 1
            except Exception as error:  # noqa: BLE001 - each is reported
                failed.append(f"{module.name}: {type(error).__name__}: {error}")
    sys.stdout.write("\n".join([str(count), *failed]) + "\n")


if __name__ == "__main__":
    module, _, function = sys.argv[1].partition(":")
    del sys.argv[1]
    if module == "tests.windows":
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # else it writes to the home folder
        for library in ("torch", "ffmpeg", "openvino", "onnx"):
            importlib.import_module(library)
    become_windows()
    called = import_all if module == "tests.windows" else getattr(importlib.import_module(module), function)
    raise SystemExit(called())
