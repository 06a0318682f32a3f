"""A device's settings file, from its block in the site file and from where it will run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from contract.access import DeviceIdentity
from edge.settings import DeviceBlock, DeviceSettings


def device_data(  # noqa: PLR0913 — a device's file says this much
    block: DeviceBlock,
    *,
    market: str,
    data_dir: Path,
    broker: Mapping[str, object],
    signing_public_key: str,
    assets_url: str,
    sources: Mapping[str, Mapping[str, object]] | None = None,
    player_port: int | None = None,
    safety: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """What `DeviceSettings` reads. `sources` replaces keys of a camera by its name."""
    data: dict[str, Any] = block.model_dump(mode="json", exclude_defaults=True)  # Any: nested plain data for YAML
    replaced = sources or {}
    data["cameras"] = [camera | dict(replaced.get(camera["name"], {})) for camera in data.get("cameras", ())]
    data |= {
        "market": market,
        "data_dir": str(data_dir),
        "broker": {**broker, "username": DeviceIdentity(market, block.device).username},
        "signing_public_key": signing_public_key,
        "assets_url": assets_url,
    }
    if player_port is not None:
        data["player"] = {"port": player_port}
    if safety is not None and block.safety is None:
        data["safety"] = dict(safety)
    DeviceSettings.model_validate(data)
    return data


def write_yaml(path: Path, data: Mapping[str, object], head: str) -> None:
    """Write a settings file that begins with the comment `head`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(dict(data), allow_unicode=True, sort_keys=False)
    path.write_text(f"# {head}\n{text}", encoding="utf-8")
