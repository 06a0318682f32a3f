"""Fires while everything is killed: broker, two alerts services, providers, Kannel; then who was told is checked."""

import argparse
import asyncio
import signal
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

NAMES_SHOWN = 10


def main(arguments: Sequence[str]) -> int:
    """Run one history; its last lines are alerts, kills, what was lost, and duplicates. 0 only if nothing was lost."""
    from benchmarks.alert_crash.history import Options, run_history  # noqa: PLC0415 — the provider imports this package too
    from runtime.logs import configure_logs  # noqa: PLC0415 — as above
    from tests.kannel_fixtures import KannelMissingError  # noqa: PLC0415 — as above

    parser = argparse.ArgumentParser(prog="scripts/bench alert-crash", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="what is killed when, and which requests fail")
    parser.add_argument("--alerts", type=int, default=3000, help="how many fires are raised")
    parser.add_argument("--per-s", type=float, default=12.0, help="how many of them a second")
    parser.add_argument("--database", default="", help="a database URL; a SQLite file of this run's own if none")
    parser.add_argument("--without-kannel", action="store_true", help="stubs are both providers")
    parser.add_argument("--keep", type=Path, help="a new folder for all files, kept afterwards")
    given = parser.parse_args(arguments)
    configure_logs("benchmark")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is ended, also then
    options = Options(alarms=given.alerts, per_s=given.per_s, with_kannel=not given.without_kannel)
    with nullcontext(given.keep) if given.keep else tempfile.TemporaryDirectory(prefix="jangteo-crash-") as name:
        folder = Path(name) / "house"
        folder.mkdir(mode=0o700, parents=True)
        url = given.database or f"sqlite:///{folder}/central.db"
        try:
            history = asyncio.run(run_history(folder, url, given.seed, options))
        except KannelMissingError as error:
            parser.error(f"{error}: give --without-kannel")
    verdict = history.verdict
    if verdict is None:
        return 1
    providers = "Kannel and a stub" if options.with_kannel else "two stubs"
    print(f"seed {given.seed}; {providers} as providers, 10 % answered 503, 3 % taken without an answer")
    print(f"{history.took_s:.0f} s, and {history.settled_s:.0f} s until all was out")
    print(f"resent by devices: {history.resent}, acknowledged meanwhile: {history.acknowledged}")
    for alarm, phone in verdict.lost[:NAMES_SHOWN]:
        print(f"not told: {phone} of fire {alarm}")
    for one in verdict.strange[:NAMES_SHOWN]:
        print(f"told without reason: {one.phone}: {one.text}")
    kills = ", ".join(f"{name} {count}" for name, count in sorted(history.kills.items()))
    print(f"alerts: {given.alerts}, first words: {verdict.expected}")
    print(f"kills: {history.kills.total()} ({kills})")
    print(f"lost: {len(verdict.lost)}")
    print(f"duplicates: {verdict.duplicates}, most of one: {verdict.most_copies}")
    return 0 if not verdict.lost and not verdict.strange else 1
