"""The build hook: compiles the shim and puts it into VapourSynth's folder of plugins.

`ADCVSR_TARGET=windows-x86_64 pip wheel .` builds for another machine with the `zig` of the ziglang wheel; without it
the compiler of this machine is used: `$CC`, else cc, gcc or clang, else zig, which is then a requirement of the build.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = ("adcvsr.c", "set_matrix.c", "stream.c", "sharpen.c", "cpu_features.c", "python.c")
FLAGS = (
    "-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-fvisibility=hidden", "-shared",
)  # fmt: skip
PAYLOAD = "vapoursynth/plugins/adcvsr"
ZIG = "ziglang>=0.14"
_GLIBC_LIBRARIES = re.compile(r"lib(c|m|dl|rt|pthread|gcc_s)\.so\.\d|ld-linux[\w-]*\.so\.\d")
_OLDEST_GLIBC = 17
"""2.17 is the oldest glibc that has one tag on every processor."""


class Target(NamedTuple):  # no dataclass: hatchling runs this file without a place among the modules, which those need
    """A kind of machine: its wheel tag, its library's suffix, and zig's name for it (empty: build as on this one)."""

    tag: str
    suffix: str = ".so"
    triple: str = ""


TARGETS: Mapping[str, Target] = {
    "linux-x86_64": Target("manylinux_2_28_x86_64", triple="x86_64-linux-gnu.2.28"),
    "linux-aarch64": Target("manylinux_2_28_aarch64", triple="aarch64-linux-gnu.2.28"),
    "macos-x86_64": Target("macosx_11_0_x86_64", ".dylib", "x86_64-macos.11.0"),
    "macos-arm64": Target("macosx_11_0_arm64", ".dylib", "aarch64-macos.11.0"),
    "windows-x86_64": Target("win_amd64", ".dll", "x86_64-windows-gnu"),
}


def target_of(environment: Mapping[str, str]) -> Target:
    """The machine to build for: `ADCVSR_TARGET`, or this one."""
    name = environment.get("ADCVSR_TARGET", "")
    if not name:
        return this_machine()
    if name not in TARGETS:
        raise SystemExit(f"ADCVSR_TARGET is {name!r}, allowed: {', '.join(TARGETS)}")
    return TARGETS[name]


def this_machine() -> Target:
    """What the compiler of this machine builds for."""
    if sys.platform == "darwin":  # a universal Python says universal2, and the compiler builds for one processor
        return Target(f"macosx_{platform.mac_ver()[0].split('.')[0]}_0_{platform.machine()}", ".dylib")
    suffix = ".dll" if sys.platform == "win32" else ".so"
    return Target(sysconfig.get_platform().replace("-", "_").replace(".", "_"), suffix)


def compiler_for(target: Target, environment: Mapping[str, str]) -> list[str]:
    """The command that compiles C for the target."""
    zig = [sys.executable, "-m", "ziglang", "cc"]
    if target.triple:
        return [*zig, "-target", target.triple, "-s"]
    if environment.get("CC"):
        return shlex.split(environment["CC"])
    if compiler := compiler_here():
        return [compiler]
    if find_spec("ziglang"):
        return zig
    raise SystemExit("no C compiler found: install gcc or clang, or `pip install ziglang`, or set CC")


def compiler_here() -> str | None:
    """The C compiler on PATH."""
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


def headers() -> Path:
    """The folder of VapourSynth4.h, inside the vapoursynth wheel."""
    spec = find_spec("vapoursynth")  # found, not imported: its native half may not fit the building machine
    if spec is None or spec.origin is None:
        raise SystemExit("the vapoursynth wheel, which carries the headers, is not installed")
    return Path(spec.origin).parent / "include"


def compile_command(target: Target, version: str, native: Path, library: Path) -> list[str]:
    """The whole compiler call."""
    major, minor = version.split(".")[:2]
    command = [*compiler_for(target, os.environ), *FLAGS, f"-DADCVSR_MAJOR={major}", f"-DADCVSR_MINOR={minor}"]
    if target.suffix != ".dll":
        command.append("-fPIC")
    command += ["-I", str(headers()), *(str(native / name) for name in SOURCES), "-o", str(library)]
    return command + (["-ldl"] if target.suffix == ".so" else [])


def run(command: Sequence[str]) -> None:
    """Runs the compiler; the error has its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the shim does not compile: {shlex.join(command)}\n{done.stderr.strip()}")


def linux_tag(library: bytes, tag: str) -> str:
    """The platform tag of a shared library: manylinux by the newest glibc that it needs, or `tag` (linux_x86_64) as it
    is where it needs another C library or anything else that a machine may not have.
    """
    needed, versions = elf_needs(library)
    if not needed or not all(map(_GLIBC_LIBRARIES.fullmatch, needed)):
        return tag
    minor = max([_OLDEST_GLIBC, *(int(found[1]) for name in versions if (found := re.match(r"GLIBC_2\.(\d+)", name)))])
    return f"manylinux_2_{minor}_{tag.removeprefix('linux_')}"


def elf_needs(library: bytes) -> tuple[list[str], list[str]]:
    """The libraries that a 64-bit little-endian ELF file asks for, and the versions of symbols that it names."""
    at, size, count = struct.unpack_from("<Q", library, 40)[0], *struct.unpack_from("<HH", library, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", library, at + index * size) for index in range(count)]
    for _, kind, _, _, offset, length, link, _, _, _ in sections:
        if kind == 6:  # SHT_DYNAMIC; its link is the section of its strings
            names = library[sections[link][4] : sections[link][4] + sections[link][5]]
            entries = struct.iter_unpack("<qQ", library[offset : offset + length])
            needed = [names[value : names.index(b"\0", value)].decode() for tag, value in entries if tag == 1]
            return needed, [name.decode() for name in names.split(b"\0") if name.startswith(b"GLIBC_")]
    return [], []


class ShimHook(BuildHookInterface[BuilderConfig]):
    """Adds the compiled plugin and its manifest to the wheel, and tags the wheel with the platform alone."""

    def dependencies(self) -> list[str]:
        """Requirements of a build that pyproject.toml does not name: zig, if nothing else compiles for the target."""
        needs_zig = target_of(os.environ).triple or not (os.environ.get("CC") or compiler_here())
        return [ZIG] if needs_zig else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """`version` is hatchling's kind of wheel: "standard" or "editable"; both carry the plugin."""
        root = Path(self.root)
        target = target_of(os.environ)
        place = root / "build" / "native" / target.tag
        place.mkdir(parents=True, exist_ok=True)
        library = place / f"libadcvsr{target.suffix}"
        run(compile_command(target, self.metadata.version, root / "vsadcvsr" / "native", library))
        payload = {
            str(library): f"{PAYLOAD}/{library.name}",
            str(root / "vsadcvsr" / "native" / "manifest.vs"): f"{PAYLOAD}/manifest.vs",
        }
        build_data["pure_python"] = False
        is_native_linux = target.tag.startswith("linux_")
        tag = linux_tag(library.read_bytes(), target.tag) if is_native_linux else target.tag
        build_data["tag"] = f"py3-none-{tag}"
        if version == "editable":
            # What is named here replaces the default list, so the packages' own link file is not touched by it.
            build_data["force_include_editable"] = payload
        else:
            build_data["force_include"].update(payload)
