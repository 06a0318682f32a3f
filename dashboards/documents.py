"""The generated dashboards: path → JSON. A new dashboard is one file with `build` and one line here."""

import json
from collections.abc import Callable, Mapping

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import city, fire_cameras, fleet_health, market_occupancy, signage

FOLDER = "dashboards/generated"
DASHBOARDS: Mapping[str, Callable[[], Dashboard]] = {
    "market-occupancy": market_occupancy.build,
    "fire-cameras": fire_cameras.build,
    "signage": signage.build,
    "fleet-health": fleet_health.build,
    "city": city.build,
}


def documents() -> Mapping[str, str]:
    """Path from the project's root → JSON text."""
    return {f"{FOLDER}/{name}.json": dashboard_text(build()) for name, build in DASHBOARDS.items()}


def dashboard_text(dashboard: Dashboard) -> str:
    """The JSON that Grafana reads from a provisioning folder."""
    return json.dumps(dashboard, cls=JSONEncoder, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
