"""Two alerts services on one central state: one sends; when it dies, sleeps or ends, the other goes on within 5 s."""

import asyncio
import itertools
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from broker.stores.database import sqlite_url
from broker.stores.messages import Messages
from contract.catalog import topic_for
from contract.events import FireEvent
from runtime.clock import SystemClock
from tests.broker.alerts.central import DEVICE, MANAGER, MARKET, SECOND_MANAGER, fire
from tests.broker.alerts.sendsms_stub import SendsmsStub, Taken, running_stub
from tests.broker.alerts.site import Site, end, open_site
from tests.eventually import eventually, eventually_async
from tests.mqtt_fixtures import free_tcp_port

pytestmark = pytest.mark.server

MANAGERS = {MANAGER, SECOND_MANAGER}
GOES_ON_S_MAX = 5.0


@dataclass(slots=True)
class Pair:
    """Two workers, 1 and 2, each a user of the provider under its own name; both share one receipts port."""

    site: Site
    stub: SendsmsStub
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    receipts_port: int = field(default_factory=free_tcp_port)

    def start(self, worker: str) -> None:
        """Start one, and wait until it has its link to the broker."""
        password_file = str(self.site.folder / "password")
        notifier = self.stub.settings(worker, password_file, self.receipts_port)
        self.processes[worker] = self.site.start_alerts(self.site.settings_file([notifier], worker=worker))
        eventually(lambda: self.site.linked(worker), within_s=20, what=f"worker {worker} is linked")

    def signal(self, worker: str, number: signal.Signals) -> None:
        self.processes[worker].send_signal(number)

    def fire(self) -> Callable[[], list[Taken]]:
        """Raise a fire in a zone of its own; the answer tells what has been sent of it."""
        number = next(self.numbers)
        asyncio.run(self._publish(number))

        def told() -> list[Taken]:
            return [one for one in self.stub.taken if f"z{number}구역" in one.text]

        return told

    async def _publish(self, number: int) -> None:
        session = self.site.device_session()
        running = asyncio.create_task(session.run())
        await eventually_async(lambda: session.connected)
        event = fire(number, unix_ms=SystemClock().unix_ms(), zone=f"z{number}", seq=number)
        await session.publish(topic_for(MARKET, DEVICE, FireEvent), event)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@pytest.fixture(params=["sqlite", "postgresql"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    sqlite = request.param == "sqlite"
    url = sqlite_url(tmp_path / "central.db") if sqlite else request.getfixturevalue("postgres_url")
    with ExitStack() as stack:
        site, stub = stack.enter_context(open_site(tmp_path, url)), stack.enter_context(running_stub())
        made = Pair(site, stub)
        made.start("1")
        eventually(lambda: site.active() == "1", what="the first one is active")
        made.start("2")
        try:
            yield made
        finally:
            stub.let_go()
            for process in made.processes.values():
                process.send_signal(signal.SIGCONT)
                end(process, signal.SIGKILL)


def by(told: Callable[[], list[Taken]]) -> set[tuple[str, str]]:
    return {(one.username, one.recipient) for one in told()}


def all_by(worker: str) -> set[tuple[str, str]]:
    return {(worker, manager) for manager in MANAGERS}


def test_one_sends_and_when_it_is_killed_the_other_goes_on(pair: Pair) -> None:
    told = pair.fire()
    eventually(lambda: by(told) == all_by("1"))
    assert pair.site.active() == "1"
    end(pair.processes["1"], signal.SIGKILL)
    killed_s = time.monotonic()
    told = pair.fire()
    eventually(lambda: by(told) == all_by("2"), within_s=GOES_ON_S_MAX, what="the other one tells both managers")
    assert time.monotonic() - killed_s < GOES_ON_S_MAX
    assert len(told()) == 2
    pair.start("1")
    told = pair.fire()
    eventually(lambda: by(told) == all_by("2"), what="whoever comes back stands by")


def test_what_the_killed_one_was_sending_is_sent_by_the_other(pair: Pair) -> None:
    pair.stub.hang("1")
    told = pair.fire()
    eventually(lambda: len(pair.stub.held) == 2, what="worker 1 waits for its provider")
    end(pair.processes["1"], signal.SIGKILL)
    eventually(lambda: by(told) == all_by("2"), within_s=GOES_ON_S_MAX, what="the other one does not wait for leases")


def test_one_that_slept_sends_nothing_of_what_is_not_its_own_any_more(pair: Pair) -> None:
    pair.stub.hang("1")
    told = pair.fire()
    eventually(lambda: len(pair.stub.held) == 2, what="worker 1 waits for its provider")
    pair.signal("1", signal.SIGSTOP)
    later = pair.fire()
    eventually(lambda: by(told) == by(later) == all_by("2"), within_s=GOES_ON_S_MAX, what="the other one goes on")
    pair.stub.hanging.clear()  # from here on every word of worker 1 is taken, and would show
    pair.signal("1", signal.SIGCONT)

    def knows() -> bool:
        part = pair.site.part("1")
        return part is not None and part.age_s < 2 and part.counters["is_active"] == 0

    eventually(knows, what="the one that slept knows that its term is over")
    last = pair.fire()
    eventually(lambda: by(last) == all_by("2"))
    assert [one for one in pair.stub.taken if one.username == "1"] == []
    assert len(last()) == 2
    assert pair.processes["1"].poll() is None


def test_one_that_ends_in_order_is_followed_at_once(pair: Pair) -> None:
    assert end(pair.processes["1"]) == 0
    told = pair.fire()
    eventually(lambda: by(told) == all_by("2"), within_s=2, what="nobody waits for the lease of one that has ended")


def test_what_was_told_before_the_kill_is_not_told_again(pair: Pair) -> None:
    """Both have an MQTT session of their own: the other one hears, late, what is committed and sent already."""
    pair.signal("2", signal.SIGSTOP)
    told = pair.fire()
    messages = Messages(pair.site.engine, SystemClock())
    eventually(lambda: [one.state for one in messages.newest()].count("accepted") == 2, what="marked, not only sent")
    end(pair.processes["1"], signal.SIGKILL)
    pair.signal("2", signal.SIGCONT)
    later = pair.fire()
    eventually(lambda: by(later) == all_by("2"), within_s=GOES_ON_S_MAX)
    assert len(told()) == len(later()) == 2
