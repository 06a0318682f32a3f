"""`jangteo up`: prepares the data folder, starts every process, prints where to look, and ends them all on Ctrl-C."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console

from broker.stores.database import sqlite_url
from jangteo.enrolment import enrol_site
from jangteo.site import SiteSettings, load_site
from jangteo.up.cameras import CameraFile, camera_files
from jangteo.up.layout import LOOPBACK, Layout, Ports, refuse_taken
from jangteo.up.plan import Plan, make_plan
from runtime.errors import SettingsError
from runtime.supervision import SupervisedProcess

EXAMPLE_SITE = Path(__file__).resolve().parent.parent.parent / "config" / "example-site.yaml"
READY_TIMEOUT_S = 60.0
READY_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What was asked for on the command line."""

    port: int
    data: Path
    site: Path | None
    cameras: Sequence[str]
    simulate: bool
    seed: int
    speed: float
    occupancy: Path | None = None


def run_up(options: UpOptions) -> int:
    """Run until Ctrl-C; the exit code.

    Raises:
        SettingsError: the site file or a `--camera` is wrong; nothing was started.
        runtime.errors.FatalError: the port is in use, or another `jangteo up` has the data folder.
    """
    started_s = time.monotonic()
    site = load_site(options.site or EXAMPLE_SITE)
    files = camera_files(options.cameras, site, simulate=options.simulate)
    refuse_taken(options.port)
    layout = Layout(options.data.resolve())
    try:
        layout.prepare()
    except OSError as error:
        raise SettingsError(f"{options.data}: the data folder cannot be made: {error.strerror}") from error
    with layout.lock():
        plan, link = _prepare(layout, site, files, options)
        return asyncio.run(_supervise(plan, layout, link, started_s))


def _prepare(layout: Layout, site: SiteSettings, files: Sequence[CameraFile], options: UpOptions) -> tuple[Plan, str]:
    """Everything that can fail fails here, before a process is started."""
    ports = Ports(layout.root / "etc" / "ports.json")
    console_port = ports.exactly("console", options.port)
    token = enrol_site(site, sqlite_url(layout.central_db), layout.root)
    link = f"http://{LOOPBACK}:{console_port}/sign-in/link/{token}"
    plan = make_plan(layout, ports, site, files, options)
    ports.save()
    return plan, link


async def _supervise(plan: Plan, layout: Layout, link: str, started_s: float) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    # The broker goes last: what the others still have to say, they say.
    others = [SupervisedProcess(spec) for spec in plan.processes if spec is not plan.broker_process]
    broker = SupervisedProcess(plan.broker_process)
    tasks = [asyncio.create_task(process.run(), name=process.spec.name) for process in (broker, *others)]
    announced = asyncio.create_task(_announce(plan, layout, link, started_s))
    try:
        waiting = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task  # a supervisor that ended by itself has a defect to tell
    finally:
        announced.cancel()
        _note("멈추는 중… / stopping…")
        for group in (tasks[1:], tasks[:1]):
            for task in group:
                task.cancel()
            await asyncio.gather(*group, return_exceptions=True)
    return 0


async def _announce(plan: Plan, layout: Layout, link: str, started_s: float) -> None:
    """Say where to look once the console answers; say so too when it does not."""
    url = f"http://{LOOPBACK}:{plan.console_port}"
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
        while time.monotonic() < deadline_s:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(f"{url}/healthz")).status_code == httpx.codes.OK:
                    _greet(plan, layout, url, link, time.monotonic() - started_s)
                    return
            await asyncio.sleep(READY_POLL_S)
    _note(f"The console does not answer after {READY_TIMEOUT_S:.0f} s; its log is {layout.log('console')}")


def _greet(plan: Plan, layout: Layout, url: str, link: str, took_s: float) -> None:
    out = Console(highlight=False, soft_wrap=True)
    out.print(f"[bold]장터 Jangteo[/bold]  준비됨 / ready in {took_s:.1f} s")
    out.print(f"  콘솔 / console      {url}")
    out.print(f"  로그인 / sign in    {link}")
    for name, address in plan.player_urls.items():
        out.print(f"  화면 / screen       {address}  ({name})")
    out.print(f"  API token           {layout.admin_token}")
    out.print(f"  로그 / logs         {layout.root / 'logs'}")
    if plan.trial_broker:
        out.print("  [bold]시험용 브로커 / trial broker[/bold]: install mosquitto for anything but a trial")
    out.print("  Ctrl-C 로 모두 멈춤 / stops everything")
    sys.stdout.flush()


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
