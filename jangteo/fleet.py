"""`jangteo sim --markets …`: the whole national fleet as load. Options only; `jangteo.fleet_run` does the work."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def fleet(  # noqa: PLR0913, PLR0917 — options are arguments
    context: typer.Context,
    markets: Annotated[int, typer.Option(help="How many markets there are.")] = 500,
    stalls: Annotated[int, typer.Option(help="How many stalls each market has.")] = 200,
    period: Annotated[float, typer.Option(help="Seconds from one reading of a stall to its next.")] = 10.0,
    devices: Annotated[int, typer.Option(help="How many devices (MQTT sessions) a market's stalls share.")] = 1,
    batch: Annotated[int, typer.Option(help="How many stalls a device reads at once and sends as one batch.")] = 20,
    minutes: Annotated[float | None, typer.Option(help="How long to make load; until Ctrl-C if none is given.")] = None,
    seed: Annotated[int, typer.Option(help="What the stalls' chance is drawn from.")] = 1,
    workers: Annotated[int, typer.Option(help="How many ingest workers share the load of that stack.")] = 1,
    store: Annotated[
        Literal["embedded", "influx"], typer.Option(help="Which store the fleet's own central stack writes to.")
    ] = "embedded",
    influx_url: Annotated[str | None, typer.Option(help="InfluxDB, for --store influx.")] = None,
    influx_token_file: Annotated[Path | None, typer.Option(help="The file (0600) that holds its token.")] = None,
    influx_bucket: Annotated[str, typer.Option(help="Its bucket, which must exist.")] = "jangteo",
    influx_org: Annotated[str, typer.Option(help="Its organisation.")] = "jangteo",
    broker: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Load this broker instead of a central stack of its own.")
    ] = None,
    broker_user: Annotated[
        str | None, typer.Option(help="Every device's user name there; its own, <market>.<device>, if none is given.")
    ] = None,
    broker_password_file: Annotated[
        Path | None, typer.Option(help="The file (0600) that holds the password of every device there.")
    ] = None,
    broker_ca_file: Annotated[Path | None, typer.Option(help="Speak TLS, trusting these certificates.")] = None,
    database: Annotated[
        str | None, typer.Option(metavar="URL", help="Enrol the fleet in the central state behind that broker first.")
    ] = None,
    figures: Annotated[Path | None, typer.Option(help="Write the figures into this file as JSON, too.")] = None,
) -> None:
    """The simulated market of a running `jangteo up`; or, with options and no command, a whole country's fleet as load.

    Example: jangteo sim --markets 500 --stalls 200 --period 10 --minutes 5
    """
    if context.invoked_subcommand is not None:
        return
    # A command imports only the part that it starts.
    from jangteo.fleet_options import FleetOptions  # noqa: PLC0415 — see above
    from jangteo.fleet_run import run_fleet  # noqa: PLC0415 — see above

    options = FleetOptions(
        markets=markets,
        stalls=stalls,
        period_s=period,
        devices=devices,
        batch=batch,
        minutes=minutes,
        seed=seed,
        workers=workers,
        store=store,
        influx_url=influx_url,
        influx_token_file=influx_token_file,
        influx_bucket=influx_bucket,
        influx_org=influx_org,
        broker=broker,
        broker_user=broker_user,
        broker_password_file=broker_password_file,
        broker_ca_file=broker_ca_file,
        database=database,
        figures=figures,
    )
    raise typer.Exit(run_fleet(options))
