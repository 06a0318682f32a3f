"""What a test needs and this machine does not have: a skip with the reason on a user's machine, a failure in CI."""

import os
from typing import NoReturn

import pytest


def absent(reason: str) -> NoReturn:
    """End the test here."""
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(reason)
    pytest.skip(reason)
