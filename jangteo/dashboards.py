"""`jangteo dashboards`: build Grafana's dashboards from code, and push them into a running Grafana.

Each command imports what it needs: an agent on a Pi, which has the same command line, has no Grafana libraries.
"""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Grafana's dashboards, which are code here.", no_args_is_help=True)

OutcomeKo = {"created": "새로 만듦", "updated": "고침", "unchanged": "그대로"}


@app.command()
def build(
    to: Annotated[
        Path | None, typer.Option(help="Where the JSON files go; dashboards/generated in this checkout if none.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when a file is not what the code builds.")
    ] = False,
) -> None:
    """Write every dashboard as the JSON file that Grafana's provisioning loads.

    Example: jangteo dashboards build
    """
    from dashboards.documents import FOLDER, documents  # noqa: PLC0415 - see above
    from jangteo.generate import ROOT  # noqa: PLC0415 - see above

    folder = to or ROOT / FOLDER
    stale = 0
    for name, text in documents().items():
        path = folder / Path(name).name
        same = path.is_file() and path.read_text(encoding="utf-8") == text
        stale += not same
        if not same and not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(f"{path}: {'up to date' if same else 'out of date' if check else 'written'}")
    if check and stale:
        raise typer.Exit(1)


@app.command()
def push(
    url: Annotated[str, typer.Option(help="Grafana's address: https, or http on this machine.")],
    token_file: Annotated[Path, typer.Option(help="A file, readable by you alone, with a service account's token.")],
) -> None:
    """Bring the dashboards of a running Grafana up to date; safe to run again.

    Example: jangteo dashboards push --url http://127.0.0.1:3000 --token-file grafana.token
    """
    from dashboards.documents import documents  # noqa: PLC0415 - see above
    from dashboards.pushing import GrafanaPusher  # noqa: PLC0415 - see above
    from runtime.secret_files import read_secret  # noqa: PLC0415 - see above

    with closing(GrafanaPusher(url, read_secret(token_file))) as pusher:
        for one in pusher.push(documents()):
            print(
                f"{one.uid}: {OutcomeKo[one.outcome]} / {one.outcome}, version {one.version}: {one.title}", flush=True
            )
