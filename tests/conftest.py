"""Isolation of tests: signals as in a terminal, an empty home, no network, and nothing left behind."""

from __future__ import annotations

import logging
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

from tests import network, processes
from tests.requirements import VARIABLE, is_asked_for, requires

ROOT = Path(__file__).parents[1]
_FOLDER = Path(tempfile.mkdtemp(prefix="adcvsr-tests-"))
_HOME = _FOLDER / "home"
_OWN_FOLDERS = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "HF_HOME", "TORCH_HOME")
_KEPT_OUT = {"build", "dist", "runs", "demo"}
_WRITTEN = (".pyc", ".so", ".py", ".md", ".toml", "~")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "requires(*names): skipped where one of these is absent, see requirements.py")
    config.addinivalue_line("markers", "logs_errors: errors are logged, and meant")
    _HOME.mkdir(exist_ok=True)
    processes.mark()
    _hear_signals()
    for name in _OWN_FOLDERS:
        os.environ.pop(name, None)
    os.environ["HOME"] = str(_HOME)
    os.environ["XDG_CONFIG_HOME"] = str(_FOLDER / "config")  # where VapourSynth notes its Python
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # for tests that import it themselves: it writes there
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - with 15, other tests hold up those of Ray
    _keep_bytecode()
    if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    set_hypothesis_home_dir(_FOLDER / "hypothesis")  # else it keeps a folder in the tree
    settings.register_profile("adcvsr", database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("adcvsr")


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(_FOLDER, ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Workers of `-n auto`: one per core, up to four since each may take a gigabyte; none for one core or one file."""
    if wanted := os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return int(wanted)
    from vsadcvsr.environment import usable_cores

    cores = usable_cores()
    paths = {argument.partition("::")[0] for argument in config.args}
    is_one_file = len(paths) == 1 and paths.pop().endswith(".py")
    return 0 if cores == 1 or is_one_file else min(cores, 4)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those of clusters first: workers begin with equal parts of the list, so that one of them starts all of Ray."""
    items.sort(key=lambda item: not item.path.is_relative_to(ROOT / "tests" / "farm" / "cluster"))


def _keep_bytecode() -> None:
    """Against PYTHONDONTWRITEBYTECODE, with which each of the many commands would compile the packages again."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def _hear_signals() -> None:
    """In the background of a script, and under nohup, a command and its children begin with signals ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform != "win32":
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("requires"):
        requires(*marker.args)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fails a plain `pytest.skip` or `importorskip`, too, where `ADCVSR_REQUIRE` asks for its reason."""
    report = yield
    _fail_if_required(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for modules."""
    report = yield
    _fail_if_required(report)
    return report


def _fail_if_required(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple) and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if is_asked_for(reason):
            report.outcome, report.longrepr = "failed", f"{VARIABLE} asks for what is skipped: {reason}"


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        network.turn_off(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_process_outlives_the_session() -> Iterator[None]:
    """For what fixtures of a module or a package start; those of a test are looked for behind it."""
    before = set(psutil.pids())
    yield
    if left := processes.end_those(before):
        pytest.fail(f"still running at the end of all tests: {'; '.join(left)}", pytrace=False)


@pytest.fixture(scope="module", autouse=True)
def no_file_is_added_to_the_project(request: pytest.FixtureRequest) -> Iterator[None]:
    before = _files()
    yield
    if added := sorted(_files() - before):
        pytest.fail(f"{request.node.name} left files in the project: {', '.join(added)}", pytrace=False)


@pytest.fixture
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder, which is the working folder as well."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    before = set(psutil.pids())
    yield
    if left := processes.end_those(before):
        pytest.fail(f"this test left processes, which are ended now: {'; '.join(left)}", pytrace=False)


@pytest.fixture(autouse=True)
def home_stays_empty() -> Iterator[None]:
    yield
    if names := sorted(path.name for path in _HOME.iterdir()):
        shutil.rmtree(_HOME)
        _HOME.mkdir()
        pytest.fail(f"this test wrote into the home folder: {', '.join(names)}", pytrace=False)


@pytest.fixture(autouse=True)
def network_stays_unused() -> Iterator[None]:
    network.refused.clear()
    yield
    if network.refused:
        pytest.fail(f"this test asked the network for {', '.join(network.refused)}", pytrace=False)


@pytest.fixture(autouse=True)
def random_state() -> Iterator[None]:
    """That of every library which is loaded is afterwards what it was before."""
    python = random.getstate()
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    of_numpy = numpy.random.get_state() if numpy else None
    of_torch = torch.get_rng_state() if torch else None
    yield
    random.setstate(python)
    if numpy and of_numpy is not None:
        numpy.random.set_state(of_numpy)
    if torch and of_torch is not None:
        torch.set_rng_state(of_torch)


@pytest.fixture(autouse=True)
def torch_threads() -> Iterator[None]:
    """As many afterwards as before: several on tiny pictures mostly wait for each other."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    yield
    if torch and torch.get_num_threads() != before:
        torch.set_num_threads(before)


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(f"{record.name}: {record.getMessage()}")


@pytest.fixture(autouse=True)
def no_error_is_logged(request: pytest.FixtureRequest) -> Iterator[None]:
    """Unless the test is marked `logs_errors`. Levels that a command has set are afterwards what they were before."""
    errors, root, ours = _Errors(), logging.getLogger(), logging.getLogger("vsadcvsr")
    levels = root.level, ours.level
    root.addHandler(errors)
    yield
    root.removeHandler(errors)
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    if errors.messages and not request.node.get_closest_marker("logs_errors"):
        pytest.fail(f"errors were logged: {'; '.join(errors.messages)}", pytrace=False)


def _files() -> set[str]:
    """The files of the project, but for what tools keep beside them, and people write meanwhile."""
    result = set[str]()
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__")) and name not in _KEPT_OUT]
        result.update(os.path.relpath(Path(folder, name), ROOT) for name in names if not name.endswith(_WRITTEN))
    return result
