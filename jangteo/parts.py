"""`jangteo parts`: how the central parts are, and forgetting one that is retired. A Typer app that `jangteo.cli` adds.

The central state is imported when a command runs: a device that has none needs nothing of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.clock import SystemClock
from runtime.errors import FatalError

if TYPE_CHECKING:
    from broker.stores.parts import Parts

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))

app = typer.Typer(help="The central parts: list how they are, forget one that is retired.")

Config = Annotated[
    Path | None, typer.Option("--config", help="A central part's settings file (YAML).", show_default=False)
]


class PartNotForgottenError(FatalError):
    """The part is not known, or still runs; the sentence says what to do."""


@app.callback(invoke_without_command=True)
def show_parts(context: typer.Context, config: Config = None) -> None:
    """List the central parts with their state and how long ago they said so.

    Example: jangteo parts --config /etc/jangteo/ingest.yaml
    """
    if context.invoked_subcommand is not None:
        context.obj = config
        return
    with _parts(_needed(config)) as parts:
        found = parts.all()
    width = max((len(one.part) for one in found), default=0)
    for one in found:
        typer.echo(f"{one.part:<{width}}  {one.state:<8}  {_age(one.age_s):>7} ago  {one.detail}".rstrip())
    if not found:
        typer.echo("No part has ever reported.")


@app.command()
def forget(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The part's name, as `jangteo parts` shows it.")],
    config: Config = None,
) -> None:
    """Forget a part that is retired, say a worker that a smaller group no longer has. Its incident is over then.

    Example: jangteo parts forget ingest-w3 --config /etc/jangteo/ingest.yaml
    """
    with _parts(_needed(config or context.obj)) as parts:
        known = {one.part: one for one in parts.all()}
        if name not in known:
            names = ", ".join(known) or "none"
            raise PartNotForgottenError(f"no part {name!r} has ever reported; these have: {names}")
        status = known[name]
        if status.state != "stale":
            said = f"it reported {_age(status.age_s)} ago: stop it first, or it would be back at once"
            raise PartNotForgottenError(f"{name} is not retired, {said}")
        parts.forget(name)
    typer.echo(f"Forgotten: {name}, silent for {_age(status.age_s)}.")


def _needed(config: Path | None) -> Path:
    if config is None:
        raise typer.BadParameter("give a central part's settings file: --config FILE")
    return config


@contextmanager
def _parts(config: Path) -> Iterator["Parts"]:
    """The part status in the database that `config` names.

    Raises:
        SettingsError: `config` names no database.
        FatalError: the database does not answer.
    """
    from broker.stores.parts import Parts  # noqa: PLC0415 - see above
    from jangteo.central_database import central_database  # noqa: PLC0415 - see above

    with central_database(config) as engine:
        yield Parts(engine, SystemClock())


def _age(age_s: float) -> str:
    for unit_s, name in _UNITS:
        if age_s >= unit_s:
            return f"{age_s / unit_s:.1f} {name}"
    return f"{age_s:.0f} s"
