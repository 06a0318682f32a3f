"""Rosters for modems: only to devices that have one, sent again when people or policies change, and not otherwise."""

import pytest

from broker.console.roster_push import AGAIN_AFTER_S, people_of
from broker.stores.policy_models import Policy, PolicyTable, Step
from broker.stores.registry import Recipient
from contract.access import DeviceIdentity
from contract.roster import Roster, RosterReport, SignedRoster
from contract.signature import Verifier
from contract.topics import Topic, TopicFilter
from tests.broker.console.conftest import Bench
from tests.eventually import eventually_async

ALLEY = DeviceIdentity("jungang", "alley-1")


class Device:
    """What a device receives, checked as a device checks it."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._verifier = Verifier(bench.console.signer.public_key_hex)
        self.rosters: list[Roster] = []
        bench.device.subscribe(TopicFilter("jungang", None, "desired", "roster"), SignedRoster, self._take)

    async def _take(self, topic: Topic, signed: SignedRoster) -> None:
        self.rosters.append(self._verifier.roster(signed, topic.market, topic.device, generation_min=0))

    async def report(self, roster: Roster | None = None, state: str = "active") -> None:
        now = self._bench.clock.unix_ms()
        said = {"generation": 0, "state": state, "time_unix_ms": now}
        if roster is not None:
            said |= {"generation": roster.generation, "content_sha256": roster.content_sha256, "people_count": 1}
        report = RosterReport.model_validate(said)
        await self._bench.say("alley-1", report)
        await eventually_async(lambda: self._bench.console.live.device(ALLEY).roster == report)


async def test_a_device_with_a_modem_gets_the_roster_once_and_again_when_it_changes(bench: Bench) -> None:
    device, console = Device(bench), bench.console
    await bench.presence("alley-1", "online")
    await console.roster_push.complete()
    assert device.rosters == [], "nobody has reported a modem"

    await device.report()
    await console.roster_push.complete()
    await eventually_async(lambda: len(device.rosters) == 1)
    (first,) = device.rosters
    assert [(one.name, one.phone, one.fire, one.centre) for one in first.people] == [
        ("김상인", "01012345678", True, True)
    ]
    assert (first.name.ko, first.device) == ("중앙시장", "alley-1")
    assert {one.id: one.ko for one in first.zones} == {"a": "가 구역", "b": "먹자골목"}
    await console.roster_push.complete()
    await device.report(first)
    await console.roster_push.complete()

    console.rosters.add("jungang", Recipient("박소장", "01077778888", "manager", language="en"))
    await console.roster_push.complete()
    await eventually_async(lambda: len(device.rosters) == 2)
    second = device.rosters[1]
    assert second.generation > first.generation
    assert ("박소장", "en") in {(one.name, one.language) for one in second.people}


async def test_what_is_refused_is_sent_again_once_a_minute_and_for_an_absent_device_the_broker_keeps_it(
    bench: Bench,
) -> None:
    device, console = Device(bench), bench.console
    await bench.presence("alley-1", "online")
    await eventually_async(lambda: (seen := console.live.device(ALLEY).presence) is not None and seen.state == "online")
    await device.report(state="rejected")
    for _ in range(3):
        await console.roster_push.complete()
    await eventually_async(lambda: len(device.rosters) == 1)
    bench.clock.advance(AGAIN_AFTER_S)
    await console.roster_push.complete()
    await eventually_async(lambda: len(device.rosters) == 2)
    assert device.rosters[1].generation > device.rosters[0].generation

    await bench.presence("alley-1", "offline")
    await eventually_async(
        lambda: (seen := console.live.device(ALLEY).presence) is not None and seen.state == "offline"
    )
    bench.clock.advance(AGAIN_AFTER_S)
    await console.roster_push.complete()
    console.rosters.add("jungang", Recipient("박소장", "01077778888"))
    await console.roster_push.complete()
    await eventually_async(lambda: len(device.rosters) == 3)
    assert len(device.rosters[2].people) == 2, "the change, and nothing for the minute that passed"


MANAGER, DEPUTY = Recipient("관리", "01011111111", "manager"), Recipient("부관리", "01022222222", "deputy")
MERCHANT = Recipient("상인", "01033333333", "merchant")


@pytest.mark.parametrize(
    ("people", "first", "expected"),
    [
        ((MANAGER, DEPUTY, MERCHANT), ("manager",), [("관리", True, True)]),
        ((MANAGER, DEPUTY), ("deputy",), [("관리", False, True), ("부관리", True, False)]),
        ((DEPUTY, MERCHANT), ("manager",), [("부관리", True, True), ("상인", True, True)]),
        ((DEPUTY, MERCHANT), ("merchant",), [("상인", True, True)]),
        ((), ("manager",), []),
    ],
)
def test_who_is_in_it(
    people: tuple[Recipient, ...], first: tuple[str, ...], expected: list[tuple[str, bool, bool]]
) -> None:
    fire = Policy.model_validate(
        {"steps": [Step.model_validate({"after_s": 0, "roles": first})], "quiet_hours": "ignores"}
    )
    found = people_of(people, PolicyTable(fire=fire))
    assert [(one.name, one.fire, one.centre) for one in found] == expected
