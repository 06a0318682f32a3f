"""The roster of a device with a modem: whose word counts, what outlives a restart, what is reported."""

import asyncio
from pathlib import Path

import pytest

from contract.access import DeviceIdentity
from contract.roster import Roster, RosterPerson, RosterReport, SignedRoster
from contract.signage import Name
from contract.signature import BadSignatureError, Signer, Verifier
from contract.topics import Topic, TopicFilter
from edge.safety.roster_sync import RosterSync
from runtime.clock import ManualClock
from tests.eventually import eventually_async
from transport.memory_bus import MemoryBus

SIGNER = Signer("07" * 32)
VERIFIER = Verifier(SIGNER.public_key_hex)
ME = DeviceIdentity("jungang", "fire-1")


def roster(generation: int = 3, device: str = "fire-1") -> Roster:
    return Roster(
        market="jungang",
        device=device,
        generation=generation,
        issued_unix_ms=1,
        content_sha256=f"{generation:064x}",
        name=Name(id="jungang", ko="중앙시장", en="Jungang Market"),
        people=(RosterPerson(name="김관리", phone="01011112222", centre=True),),
    )


def test_a_signed_roster_is_read_by_its_device_alone() -> None:
    signed = SIGNER.sign_roster(roster())
    assert VERIFIER.roster(signed, "jungang", "fire-1", 3) == roster()
    with pytest.raises(BadSignatureError, match="roster is for jungang/fire-1, this is jungang/fire-2"):
        VERIFIER.roster(signed, "jungang", "fire-2", 1)
    altered = signed.model_copy(update={"roster_json": signed.roster_json.replace("1111", "9999")})
    with pytest.raises(BadSignatureError, match="the roster's signature does not fit"):
        VERIFIER.roster(altered, "jungang", "fire-1", 1)


async def test_it_takes_keeps_and_reports_the_newest(tmp_path: Path) -> None:
    bus, file = MemoryBus(), tmp_path / "roster.json"
    console, session = bus.session("console"), bus.session(ME.username)
    reports: list[RosterReport] = []

    async def note(_topic: Topic, report: RosterReport) -> None:
        reports.append(report)

    console.subscribe(TopicFilter(channel="reported", name="roster"), RosterReport, note)
    held = RosterSync(session, ME, VERIFIER, ManualClock(), file)
    assert held.roster is None
    tasks = [asyncio.create_task(one.run()) for one in (console, session)]

    async def send(signed: SignedRoster) -> RosterReport:
        count = len(reports)
        await console.publish(Topic("jungang", "fire-1", "desired", "roster"), signed)
        await eventually_async(lambda: len(reports) > count)
        return reports[-1]

    await eventually_async(lambda: [(one.generation, one.people_count) for one in reports] == [(0, 0)])
    said = await send(SIGNER.sign_roster(roster(3)))
    assert (said.generation, said.content_sha256, said.people_count, said.state) == (3, f"{3:064x}", 1, "active")
    said = await send(SIGNER.sign_roster(roster(2)))
    assert (said.generation, said.state) == (3, "rejected")
    assert "older than 3" in said.reason
    said = await send(Signer("08" * 32).sign_roster(roster(9)))
    assert (said.generation, said.state) == (3, "rejected")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert file.stat().st_mode & 0o777 == 0o600
    again = RosterSync(bus.session("again"), ME, VERIFIER, ManualClock(), file)
    assert again.roster == roster(3)
    other_key = Verifier(Signer("08" * 32).public_key_hex)
    assert RosterSync(bus.session("other"), ME, other_key, ManualClock(), file).roster is None
