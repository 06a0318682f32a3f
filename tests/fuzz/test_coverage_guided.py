"""A bounded run of the coverage-guided fuzzer over ingest's decode; `scripts/bench fuzz` is the long one."""

import platform
import sys

import pytest

from benchmarks.fuzz import run_fuzzer

SECONDS = 20
MESSAGES_MIN = 5_000


def test_no_message_breaks_decode() -> None:
    if sys.version_info[:2] != (3, 11) or platform.machine() != "x86_64" or sys.platform != "linux":
        pytest.skip("atheris 3.0 has a wheel for Python 3.11 on x86-64 Linux only")
    pytest.importorskip("atheris", reason="atheris is not installed")
    tried, said = run_fuzzer(SECONDS, seed=1)
    assert tried is not None, said
    assert tried > MESSAGES_MIN, said
