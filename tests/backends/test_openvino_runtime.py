"""OpenVINO's library, and what is said where it is not there."""

from __future__ import annotations

import pytest

from vsadcvsr.backends import openvino_runtime


def test_a_missing_openvino_is_named_with_a_command_for_any_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_runtime, "find_spec", lambda *_: None)
    assert "`pip install 'vsadcvsr[openvino]'`" in str(openvino_runtime._import_error(ImportError()))
