"""`jangteo rules`: the rules over the readings, checked and tried out. A Typer application that `jangteo.cli` adds.

The work is in `jangteo.rule_actions`, imported when a command runs: a device needs none of it.
"""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Rules over the readings: check their files, try them over the past.", no_args_is_help=True)


@app.command()
def check(
    places: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Files of rules, or folders of such files.")],
) -> None:
    """Check files of rules and say in words what each rule does.

    Example: jangteo rules check config/rules
    """
    from jangteo import rule_actions  # noqa: PLC0415 - see above

    rule_actions.check(places)


@app.command("dry-run")
def dry_run(
    config: Annotated[Path, typer.Option(help="The settings file of alerts (YAML): its rules and its series store.")],
    rule: Annotated[list[str] | None, typer.Option(help="Only this rule; may be given several times.")] = None,
    since: Annotated[str, typer.Option("--from", help="From then on: 30d (ago), 2h, or 2026-01-31T09:30.")] = "30d",
    until: Annotated[str | None, typer.Option("--to", help="Until then; as for --from. Now, if none.")] = None,
    rules: Annotated[
        Path | None, typer.Option(help="A file or folder of rules instead of the settings file's.")
    ] = None,
    market: Annotated[list[str] | None, typer.Option(help="Only this market; may be given several times.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line, for programs.")] = False,
) -> None:
    """Say when rules would have fired in the past, for how long, and how often in all.

    Nothing is raised and nobody is told.

    Example: jangteo rules dry-run --config alerts.yaml --rule bay-fault --from 30d
    """
    from jangteo import rule_actions  # noqa: PLC0415 - see above

    asked = rule_actions.Asked(
        config=config,
        names=tuple(rule or ()),
        since=since,
        until=until,
        rules=rules,
        markets=frozenset(market or ()),
        as_json=as_json,
    )
    rule_actions.dry_run(asked)
