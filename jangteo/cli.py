"""The command line. Each command reads its settings and hands over to the part that does the work."""

import json
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from jangteo import VERSION, dashboards, dead_letters, fleet, parts, policies, rules
from runtime.errors import FatalError, SettingsError

EXIT_BAD_SETTINGS = 2

app = typer.Typer(
    name="jangteo",
    help="장터: occupancy, fire and signage for traditional markets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Settings files.", no_args_is_help=True)
sim_app = typer.Typer(no_args_is_help=True)
deploy_app = typer.Typer(help="The compose stack.", no_args_is_help=True)
app.add_typer(deploy_app, name="deploy")
app.add_typer(config_app, name="config")
app.add_typer(sim_app, name="sim")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(dashboards.app, name="dashboards")
app.add_typer(parts.app, name="parts")
app.add_typer(rules.app, name="rules")
app.add_typer(policies.app, name="policies")
sim_app.callback(invoke_without_command=True)(fleet.fleet)

ConfigOption = Annotated[Path, typer.Option("--config", help="The settings file (YAML).", show_default=False)]
OccupancyOption = Annotated[
    Path | None, typer.Option(help="A CSV of car parks whose occupancy the simulated bays follow.", exists=True)
]
VerboseOption = Annotated[bool, typer.Option("--verbose", help="Log in detail.")]


def main() -> None:
    """Run the command; a mistake in settings ends with its sentence on stderr and exit code 2."""
    try:
        app()
    except SettingsError as error:
        print(f"jangteo: {error}", file=sys.stderr)
        sys.exit(EXIT_BAD_SETTINGS)
    except FatalError as error:
        print(f"jangteo: {error}", file=sys.stderr)
        sys.exit(EXIT_BAD_SETTINGS)


def _version(wanted: bool) -> None:
    if wanted:
        print(VERSION)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """장터: occupancy, fire and signage for traditional markets."""


@app.command()
def up(
    port: Annotated[int, typer.Option(help="The console's port on loopback.", min=1, max=65535)] = 8600,
    data: Annotated[Path | None, typer.Option(help="Where everything is kept; var in this checkout if none.")] = None,
    site: Annotated[
        Path | None, typer.Option(help="The market's site file; config/example-site.yaml if none is given.")
    ] = None,
    camera: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE", help="Play a video or image file as this camera's picture.")
    ] = None,
    no_sim: Annotated[
        bool, typer.Option("--no-sim", help="Start the central parts only: the site's devices run elsewhere.")
    ] = False,
    seed: Annotated[int, typer.Option(help="What the simulated market's chance is drawn from.")] = 1,
    speed: Annotated[float, typer.Option(help="How fast the simulated day passes.", min=0.1, max=3600)] = 60.0,
    occupancy: OccupancyOption = None,
) -> None:
    """Run everything in one place: broker, ingest, alerts, console and a market with its edge agents.

    Example: jangteo up --camera alley-cam=kitchen.mp4
    """
    from jangteo.up.layout import DEFAULT_DATA
    from jangteo.up.service import UpOptions, run_up

    options = UpOptions(
        port=port,
        data=data or DEFAULT_DATA,
        site=site,
        cameras=tuple(camera or ()),
        simulate=not no_sim,
        seed=seed,
        speed=speed,
        occupancy=occupancy,
    )
    raise typer.Exit(run_up(options))


@app.command()
def edge(
    config: ConfigOption,
    simulate: Annotated[bool, typer.Option("--simulate", help="Run on simulated pins instead of the Pi's.")] = False,
    seed: Annotated[int, typer.Option(help="What the simulation's chance is drawn from.")] = 1,
    speed: Annotated[float, typer.Option(help="How fast the simulated day passes.", min=0.1, max=3600)] = 60.0,
    occupancy: OccupancyOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Run a device's agent.

    Example: jangteo edge --config /etc/jangteo/device.yaml
    """
    from jangteo.device import run_device
    from runtime.logs import configure_logs

    configure_logs("edge", verbose=verbose)
    if not simulate:
        run_device(config, None)
        return
    from jangteo.simulated_device import Simulation

    run_device(config, Simulation(seed=seed, speed=speed, occupancy=occupancy))


@app.command()
def ingest(config: ConfigOption, verbose: VerboseOption = False) -> None:
    """Run ingest: telemetry from the bus into the series store.

    Example: jangteo ingest --config /etc/jangteo/ingest.yaml
    """
    from broker.ingest.service import run_ingest
    from broker.ingest.settings import IngestSettings
    from runtime.logs import configure_logs
    from runtime.settings_file import load_settings

    settings = load_settings(config, IngestSettings)
    configure_logs("ingest", verbose=verbose)
    run_ingest(settings, _stop_on_signal())


@app.command()
def alerts(config: ConfigOption, verbose: VerboseOption = False) -> None:
    """Run alerts: events become incidents, incidents become messages.

    Example: jangteo alerts --config /etc/jangteo/alerts.yaml
    """
    from broker.alerts.running import run_alerts
    from broker.alerts.settings import AlertsSettings
    from runtime.logs import configure_logs
    from runtime.settings_file import load_settings

    settings = load_settings(config, AlertsSettings)
    configure_logs("alerts", verbose=verbose)
    run_alerts(settings, _stop_on_signal())


@app.command()
def console(config: ConfigOption, verbose: VerboseOption = False) -> None:
    """Run the console: pages and API.

    Example: jangteo console --config /etc/jangteo/console.yaml
    """
    from broker.console.service import run_console
    from broker.console.settings import ConsoleSettings
    from runtime.logs import configure_logs
    from runtime.settings_file import load_settings

    settings = load_settings(config, ConsoleSettings)
    configure_logs("console", verbose=verbose)
    run_console(settings)


@app.command()
def upkeep(config: ConfigOption, verbose: VerboseOption = False) -> None:
    """Keep the readings in bounds: 5-minute roll-ups, retention, and a canary that reads back what was stored.

    Example: jangteo upkeep --config /etc/jangteo/upkeep.yaml
    """
    from jangteo.upkeep import serve

    serve(config, _stop_on_signal(), verbose=verbose)


@app.command()
def detect(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Video or image files.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a file.")] = False,
) -> None:
    """Look for fire in video or image files; exit code 1 when a file cannot be read.

    Example: jangteo detect --json kitchen.mp4
    """
    from edge.cameras.detect import UnreadableMediaError, detect_file, format_line
    from edge.cameras.settings import FireSettings
    from runtime.logs import configure_logs

    configure_logs("detect")
    unreadable = 0
    for file in files:
        try:
            result = detect_file(file, FireSettings())
        except UnreadableMediaError as error:
            print(f"jangteo: {error}", file=sys.stderr)
            unreadable += 1
            continue
        print(json.dumps(result.model_dump(), ensure_ascii=False) if as_json else format_line(result), flush=True)
    if unreadable:
        raise typer.Exit(1)


@config_app.command("check")
def config_check(file: Annotated[Path, typer.Argument(help="A site file or a device's settings file.")]) -> None:
    """Check a settings file: every mistake with its line, key and remedy.

    Example: jangteo config check config/example-site.yaml
    """
    # A site file has devices. A Pi, which has none of the central parts installed, can check its own device's file.
    if file.is_file() and "\ndevices:" in "\n" + file.read_text(encoding="utf-8", errors="replace"):
        from jangteo.site import load_site

        site = load_site(file)
        print(f"{file}: a site file with {len(site.devices)} devices, all good")
        return
    from jangteo.device import load_device

    device = load_device(file)
    print(f"{file}: the settings of device {device.identity.username}, all good")


@sim_app.command("flame")
def sim_flame(
    camera: Annotated[str, typer.Argument(help="The simulated camera's name.")],
    off: Annotated[bool, typer.Option("--off", help="Put the flame out.")] = False,
    data: Annotated[Path | None, typer.Option(help="The data folder of the running `jangteo up`.")] = None,
) -> None:
    """Light a flame before a simulated camera, or put it out.

    Example: jangteo sim flame alley-cam
    """
    from jangteo.up.control import set_flame
    from jangteo.up.layout import DEFAULT_DATA

    print(set_flame(data or DEFAULT_DATA, camera, lit=not off))


@app.command()
def enrol(
    config: ConfigOption,
    site: Annotated[Path, typer.Option(help="The market's site file.")],
    data: Annotated[Path, typer.Option(help="Where the first manager's password and API token are written.")],
) -> None:
    """Make the central state, enrol a market, make the first manager; safe to run again.

    Example: jangteo enrol --config console.yaml --site site.yaml --data /var/lib/jangteo
    """
    from broker.console.settings import ConsoleSettings
    from jangteo.enrolment import enrol_site
    from jangteo.site import load_site
    from runtime.settings_file import load_settings

    settings = load_settings(config, ConsoleSettings)
    token = enrol_site(load_site(site), settings.database_url, data)
    print(f"{settings.public_url}/sign-in/link/{token}")


@app.command()
def health(
    part: Annotated[str, typer.Argument(help="ingest, alerts, console or upkeep.")],
    config: ConfigOption,
) -> None:
    """Exit 0 when a central part reports progress, 1 when it is silent or degraded.

    Example: jangteo health --config /etc/jangteo/ingest.yaml ingest
    """
    from jangteo.health import part_health

    state, sentence = part_health(config, part)
    print(sentence)
    if state != "ok":
        raise typer.Exit(1)


@deploy_app.command("secrets")
def deploy_secrets(
    host: Annotated[
        list[str] | None, typer.Option(help="A name or address under which devices reach the broker.")
    ] = None,
) -> None:
    """Make the secrets, certificates and .env that docker-compose.yml needs; what is there stays.

    Example: jangteo deploy secrets --host market.example.kr
    """
    from jangteo.deployment import make_secrets
    from jangteo.generate import ROOT

    made = make_secrets(ROOT, tuple(host or ()))
    for name in made:
        print(f"made {name}")
    print(f"{len(made)} files made under deploy/secrets; next: docker compose up")


@app.command()
def generate(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when something is out of date.")
    ] = False,
) -> None:
    """Write the generated files of this checkout: schemas, the contract's page.

    Example: jangteo generate --check
    """
    from jangteo import generate as generated

    names = generated.out_of_date() if check else generated.write()
    for name in names:
        print(f"{name}: {'out of date, run: jangteo generate' if check else 'written'}")
    if check and names:
        raise typer.Exit(1)


def _stop_on_signal() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
