"""One wheel for all tests of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.environments import QUIET, pip


@pytest.fixture(scope="package")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("dist")
    pip("wheel", *QUIET, "-w", place, ".")
    return next(place.glob("*.whl"))
