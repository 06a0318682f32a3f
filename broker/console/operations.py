"""What machines ask without a page: health, metrics, files by hash."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry
from sqlalchemy.exc import DBAPIError

from broker.console.composition import Console, console_of
from broker.console.problems import NotHereError
from broker.console.security import Bearer, NotSignedInError, api_visitor, is_local
from broker.console.views import HealthView, PartView
from broker.stores.parts import PartStatus

router = APIRouter()

Composed = Annotated[Console, Depends(console_of)]
ASSET_HEADERS = {"cache-control": "public, max-age=31536000, immutable"}
TOTAL = "_total"


@router.get("/healthz", tags=["operations"])
def get_health(console: Composed) -> HealthView:
    """Always 200 while the console answers; `status` says whether every part does its work. Needs no sign-in."""
    return health(console)


@router.get("/metrics", tags=["operations"], response_class=Response)
def get_metrics(request: Request, bearer: Bearer, console: Composed) -> Response:
    """Every part's counters for Prometheus. From this machine itself without a token, from elsewhere with one."""
    if not is_local(request):
        if bearer is None:
            raise NotSignedInError("metrics_token")
        api_visitor(request, bearer, console)
    registry = CollectorRegistry()
    registry.register(_Collected(console))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/assets/{sha256}", tags=["operations"], response_class=Response)
def get_asset(sha256: str, request: Request, console: Composed) -> Response:
    """A file by its hash, whole or in ranges. Needs no sign-in: who knows the hash has been given the manifest."""
    path, asset = console.files.find(sha256), console.notices.asset(sha256)
    if path is None or asset is None:
        raise NotHereError("file")
    if f'"{sha256}"' in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=ASSET_HEADERS)
    return FileResponse(path, media_type=asset.media_type, headers={**ASSET_HEADERS, "etag": f'"{sha256}"'})


def health(console: Console) -> HealthView:
    """Every part's health, with the console's own link and the database."""
    parts: dict[str, PartView] = {}
    try:
        parts = {one.part: PartView(state=one.state, age_s=one.age_s) for one in console.statuses.all()}
        parts["database"] = PartView(state="ok", age_s=0.0)
    except DBAPIError:
        parts["database"] = PartView(state="down", age_s=0.0)
    link = console.link.view()
    age_s = max(0.0, (console.clock.unix_ms() - link.since_unix_ms) / 1000.0)
    parts["console-link"] = PartView(state="ok" if link.state == "connected" else "down", age_s=age_s)
    fine = all(one.state == "ok" for one in parts.values())
    return HealthView(status="ok" if fine else "degraded", parts=parts)


class _Collected(Collector):
    """The part table as Prometheus metrics, `jangteo_<part>_<counter>`; `worker` tells processes of one part apart."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def collect(self) -> list[Metric]:
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        up = GaugeMetricFamily("jangteo_part_up", "Whether the part reports and is well.", labels=["part"])
        for status in self._console.statuses.all():
            up.add_metric([status.part], 1.0 if status.state == "ok" else 0.0)
            for name, value in status.counters.items():
                _add(families, status, name, value)
        return [up, *families.values()]


def _add(
    families: dict[str, CounterMetricFamily | GaugeMetricFamily], one: PartStatus, name: str, value: float
) -> None:
    part, _, worker = one.part.partition("-")
    metric = f"jangteo_{part}_{name}".replace("-", "_").replace(".", "_")
    family = families.get(metric)
    if family is None:
        kind = CounterMetricFamily if name.endswith(TOTAL) else GaugeMetricFamily
        family = families[metric] = kind(metric, f"{name} of {part}.", labels=["worker"])
    family.add_metric([worker], value)
