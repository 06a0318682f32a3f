"""`jangteo policies`: checks a policy file, and says who would be told of what."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from broker.stores.policy_models import KINDS, Policy, PolicyTable
from runtime.settings_file import load_settings

app = typer.Typer(no_args_is_help=True, help="Alert policies: who is told of what, when.")


@app.callback()
def policies() -> None:
    """Alert policies: who is told of what, when."""


@app.command("check")
def check(file: Annotated[Path, typer.Argument(help="A file such as config/policies/default.yaml.")]) -> None:
    """Check a policy file: every mistake with its line, key and remedy, else what it comes to.

    Example: jangteo policies check config/policies/default.yaml
    """
    for line in lines(load_settings(file, PolicyTable)):
        print(line)


def lines(table: PolicyTable) -> Iterator[str]:
    """The table as people read it, a line for each kind."""
    for kind in KINDS:
        yield f"{kind:<18}{words(table.of(kind))}"


def words(policy: Policy) -> str:
    """One policy in a line."""
    if not policy.steps:
        return "console only"
    steps = (f"{one.after_s} s {'+'.join(one.roles)} by {'+'.join(one.channels)}" for one in policy.steps)
    again = f"; again every {policy.repeat_every_s} s, {policy.repeats_max} times" if policy.repeats_max else ""
    quiet = "; waits for quiet hours to end" if policy.quiet_hours == "holds" else ""
    return f"{', '.join(steps)}{again}{quiet}; at most {policy.cap_per_hour} updates an hour"
