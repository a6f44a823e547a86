"""The environment of this process."""

from __future__ import annotations

import numpy as np

from vsadcvsr.environment import package_versions


def test_versions_are_those_of_the_packages_that_are_installed() -> None:
    assert package_versions(["no-such-package", "numpy"]) == {"numpy": np.__version__}
