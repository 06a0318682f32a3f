"""`jangteo dead-letters`: what was refused, and its way back. A Typer application that `jangteo.cli` adds.

The work is in `jangteo.letter_actions`, imported when a command runs: a device that has no central state needs none of
it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from broker.stores.dead_letters import LetterFilter
    from jangteo.letter_actions import Chosen

EXIT_NOT_REPLAYED = 1

app = typer.Typer(help="What ingest and alerts refused: list, show, replay, forget.", no_args_is_help=True)

Config = Annotated[Path, typer.Option("--config", help="A central part's settings file (YAML).", show_default=False)]
Kind = Annotated[str | None, typer.Option(help="Only this kind: malformed, unknown-device, clock, rejected, …")]
Market = Annotated[str | None, typer.Option(help="Only messages of this market.")]
Device = Annotated[str | None, typer.Option(help="Only messages of this device.")]
Since = Annotated[str | None, typer.Option(help="Only from then on: 2h (ago), 3d, or 2026-01-31T09:30.")]
Until = Annotated[str | None, typer.Option(help="Only before then; as for --since.")]
Ids = Annotated[list[int] | None, typer.Argument(help="The numbers of letters, as `list` shows them.")]
Every = Annotated[bool, typer.Option("--all", help="All that the filters leave, instead of numbers.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.command("list")
def list_letters(  # noqa: PLR0913, PLR0917 - options are arguments
    config: Config,
    kind: Kind = None,
    market: Market = None,
    device: Device = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(help="At most so many, the newest.", min=1, max=100_000)] = 50,
    by_device: Annotated[bool, typer.Option("--by-device", help="Count by device and kind instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the newest dead letters.

    Example: jangteo dead-letters list --config ingest.yaml --kind clock --since 2h
    """
    from jangteo import letter_actions  # noqa: PLC0415 - see above

    wanted = _wanted(kind, market, device, since, until)
    if by_device:
        letter_actions.count_letters(config, wanted, as_json=as_json)
    else:
        letter_actions.list_letters(config, wanted, limit, as_json=as_json)


@app.command()
def show(letter_id: Annotated[int, typer.Argument(help="The letter's number.")], config: Config) -> None:
    """Show a letter with everything that is known of it, as JSON.

    Example: jangteo dead-letters show 17 --config ingest.yaml
    """
    from jangteo import letter_actions  # noqa: PLC0415 - see above

    letter_actions.show_letter(config, letter_id)


@app.command()
def replay(  # noqa: PLR0913, PLR0917 - options are arguments
    config: Config,
    ids: Ids = None,
    every: Every = False,
    kind: Kind = None,
    market: Market = None,
    device: Device = None,
    since: Since = None,
    until: Until = None,
    wait_s: Annotated[float, typer.Option("--wait", help="Seconds to wait for the outcome.", min=0, max=3600)] = 10.0,
) -> None:
    """Take letters through ingest again; what is refused again stays, with the new reason.

    Example: jangteo dead-letters replay 17 18 --config ingest.yaml
    """
    from jangteo import letter_actions  # noqa: PLC0415 - see above

    chosen = _chosen(ids, _wanted(kind, market, device, since, until), every=every)
    if not letter_actions.replay_letters(config, chosen, wait_s):
        raise typer.Exit(EXIT_NOT_REPLAYED)


@app.command()
def forget(  # noqa: PLR0913, PLR0917 - options are arguments
    config: Config,
    ids: Ids = None,
    every: Every = False,
    kind: Kind = None,
    market: Market = None,
    device: Device = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Delete letters for good. The gap records about their numbers stay.

    Example: jangteo dead-letters forget --all --kind unknown-device --until 7d --config ingest.yaml
    """
    from jangteo import letter_actions  # noqa: PLC0415 - see above

    chosen = _chosen(ids, _wanted(kind, market, device, since, until), every=every)
    letter_actions.forget_letters(config, chosen)


def _wanted(
    kind: str | None, market: str | None, device: str | None, since: str | None, until: str | None
) -> "LetterFilter":
    from jangteo.letter_actions import letter_filter  # noqa: PLC0415 - see above

    return letter_filter(kind=kind, market=market, device=device, since=since, until=until)


def _chosen(ids: Sequence[int] | None, wanted: "LetterFilter", *, every: bool) -> "Chosen":
    from jangteo.letter_actions import Chosen  # noqa: PLC0415 - see above

    return Chosen(ids or (), every, wanted)
