"""Controlling the simulated cameras of a running `jangteo up`."""

import json
from pathlib import Path

import httpx

from jangteo.up.layout import LOOPBACK, Layout
from runtime.errors import SettingsError


def set_flame(data: Path, camera: str, *, lit: bool) -> str:
    """Light a flame before a simulated camera or put it out; the sentence to print.

    Raises:
        SettingsError: nothing runs there, or the camera is not simulated.
    """
    ports = Layout(data.resolve()).root / "etc" / "ports.json"
    try:
        port = int(json.loads(ports.read_text(encoding="utf-8"))["cameras"])
        url = f"http://{LOOPBACK}:{port}/{camera}/flame"
        answer = httpx.post(url, params={"on": "true" if lit else "false"}, timeout=5.0, trust_env=False)
    except (OSError, KeyError, ValueError, httpx.HTTPError) as error:
        raise SettingsError(
            f"{data}: no simulated market runs on this data folder; start one with jangteo up"
        ) from error
    if answer.status_code != httpx.codes.OK:
        raise SettingsError(f"camera {camera!r}: the simulator does not draw it: {answer.text.strip()}")
    return f"{camera}: the flame is {'lit' if lit else 'out'}"
