"""Zones: from the form to a signed plan on the bus, what the device says of it, and what is wrong in a sentence."""

import json
from collections.abc import Mapping, Sequence

import pytest
from starlette.datastructures import FormData, UploadFile

from broker.console.problems import PROBLEMS
from broker.console.viewing import Place
from broker.console.zone_form import BadZonesError, inputs_of, read_zones, zones_of
from broker.stores.zone_plans import ZonePlans
from contract.access import DeviceIdentity
from contract.cameras import ZONES_MAX, CameraZone, SignedZonePlan, ZonePlan, ZonesReport
from contract.signature import Verifier
from contract.topics import Topic, TopicFilter
from tests.broker.console.conftest import NOW, Bench
from tests.broker.console.test_access import form_token
from tests.broker.console.test_cameras import PAGE, read
from tests.eventually import eventually_async

PLACE = Place(DeviceIdentity("jungang", "alley-1"), "cam-1")
Fields = Mapping[str, str | Sequence[str]]
SQUARE = {"x": ["10", "60", "60", "10"], "y": ["10", "10", "50", "50"]}


def fields(n: int = 0, **changes: str | Sequence[str]) -> dict[str, str | Sequence[str]]:
    values: Fields = {
        "name": "stove", "kind": "cooking", "day": ["1", "2", "7"], "from": "09:30", "to": "21:00", "size": "40",
        "growth": "2,5", **SQUARE, **changes,
    }  # fmt: skip
    return {f"zone-{n}-{name}": value for name, value in values.items()}


def form(*zones: Fields) -> FormData:
    pairs: list[tuple[str, str | UploadFile]] = [
        (name, one)
        for zone in zones
        for name, value in zone.items()
        for one in ([value] if isinstance(value, str) else value)
    ]
    return FormData(pairs)


class Device:
    """What a device receives, checked as a device checks it."""

    def __init__(self, bench: Bench) -> None:
        self._verifier = Verifier(bench.console.signer.public_key_hex)
        self.plans: list[ZonePlan] = []
        bench.device.subscribe(TopicFilter("jungang", "alley-1", "desired", "zones"), SignedZonePlan, self._take)

    async def _take(self, topic: Topic, signed: SignedZonePlan) -> None:
        self.plans.append(self._verifier.zone_plan(signed, topic.market, topic.device, generation_min=0))


async def save(bench: Bench, *zones: Fields) -> tuple[int, str]:
    async with bench.browser() as browser:
        data = {name: value for zone in zones for name, value in zone.items()}
        answer = await browser.post(f"{PAGE}/zones?lang=en", data={"form_token": await form_token(browser), **data})
        return answer.status_code, answer.text


async def report(bench: Bench, generation: int, state: str = "active", reason: str = "") -> None:
    now = bench.clock.unix_ms()
    said = {"generation": generation, "state": state, "reason": reason, "time_unix_ms": now}
    await bench.say("alley-1", ZonesReport.model_validate(said))
    live = bench.console.live
    await eventually_async(
        lambda: (zones := live.device(PLACE.identity).zones) is not None and zones.time_unix_ms == now
    )


async def test_zones_that_are_saved_are_signed_said_and_written_down(bench: Bench) -> None:
    device = Device(bench)
    assert "No zones have been sent." in await read(bench)
    assert (await save(bench, fields()))[0] == 303
    await eventually_async(lambda: len(device.plans) == 1)
    (camera,) = device.plans[0].cameras
    (zone,) = camera.zones
    assert (camera.camera, zone.name, zone.kind, zone.days) == ("cam-1", "stove", "cooking", (1, 2, 7))
    assert (zone.from_minute, zone.to_minute, zone.size_share_max, zone.growth_ratio_max) == (570, 1260, 0.4, 2.5)
    assert [(point.x, point.y) for point in zone.points] == [(0.1, 0.1), (0.6, 0.1), (0.6, 0.5), (0.1, 0.5)]
    assert (await save(bench, fields(name="neon", kind="ignored")))[0] == 303
    await eventually_async(lambda: len(device.plans) == 2)
    assert device.plans[1].generation == device.plans[0].generation + 1
    newest = bench.console.audit.newest()[0]
    assert (newest.action, newest.subject) == ("camera.zones", "jungang/alley-1/cam-1")
    before, after = (json.loads(one) for one in newest.detail.split(" → "))
    assert ([one["name"] for one in before], [one["name"] for one in after]) == (["stove"], ["neon"])
    assert 'value="neon"' in await read(bench)


async def test_the_page_says_how_far_the_device_is(bench: Bench) -> None:
    await save(bench, fields())
    assert "not yet at the device" in await read(bench)
    await report(bench, 1)
    assert "in use since 09:00:00" in await read(bench)
    bench.clock.advance(60)
    await save(bench, fields(name="neon"))
    assert "not yet at the device" in await read(bench)
    await report(bench, 1, "rejected", "the signature does not fit")
    page = await read(bench)
    assert "refused by the device" in page
    assert "the signature does not fit" in page
    bench.clock.advance(60)
    await report(bench, 2)
    assert "in use since" in await read(bench)
    found = bench.console.directory
    found.refresh()
    record = found.market("jungang").record("alley-1")
    assert record is not None
    assert record.zones["generation"] == 2, "kept for a console that starts later"


async def test_plans_are_said_again_after_a_reconnect_and_never_with_a_lower_number(bench: Bench) -> None:
    await report(bench, 41)
    device = Device(bench)
    await save(bench, fields())
    await eventually_async(lambda: bool(device.plans))
    assert device.plans[-1].generation == 42, "a console whose database was lost is not refused as old"
    await bench.console.zones.say_all()
    await eventually_async(lambda: len(device.plans) == 2)
    assert device.plans[0] == device.plans[1]
    (stored,) = ZonePlans(bench.engine).all("jungang")
    assert (stored.generation, stored.signed.generation) == (42, 42)


async def test_what_is_wrong_stands_above_the_form_with_what_was_typed_in_it(bench: Bench) -> None:
    device = Device(bench)
    status, page = await save(bench, fields(name="굴뚝 1"))
    assert status == 422
    assert "zone name &#39;굴뚝 1&#39;: use up to 63 of a-z" in page
    assert 'value="굴뚝 1"' in page
    assert 'value="2,5"' in page
    assert device.plans == []
    assert ZonePlans(bench.engine).all() == ()


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"name": "-a"}, "zone_name"),
        ({"name": ""}, "zone_name"),
        ({"kind": "burning"}, "zone_kind"),
        ({"day": []}, "zone_days"),
        ({"day": ["8", "x"]}, "zone_days"),
        ({"from": "24:00"}, "zone_hours"),
        ({"from": "9"}, "zone_hours"),
        ({"to": "10:60"}, "zone_hours"),
        ({"to": "٣:00"}, "zone_hours"),
        ({"size": "0"}, "zone_size"),
        ({"size": "101"}, "zone_size"),
        ({"size": "nan"}, "zone_size"),
        ({"growth": "0.9"}, "zone_growth"),
        ({"growth": "inf"}, "zone_growth"),
        ({"x": ["1", "2"], "y": ["1", "2"]}, "zone_points"),
        ({"x": [str(one) for one in range(33)], "y": ["1"] * 33}, "zone_points"),
        ({"x": ["-1", "60", "60"]}, "zone_place"),
        ({"y": ["x", "60", "60"]}, "zone_place"),
        ({"x": ["10", "20", "30"], "y": ["10", "20", "30"]}, "zone_flat"),
    ],
)
def test_each_mistake_has_its_sentence(changes: Fields, key: str) -> None:
    with pytest.raises(BadZonesError) as caught:
        zones_of(read_zones(form({**fields(), **{f"zone-0-{name}": value for name, value in changes.items()}})))
    assert caught.value.key == key
    assert key in PROBLEMS


def test_names_are_there_once_and_zones_are_bounded() -> None:
    with pytest.raises(BadZonesError, match="two zones are called 'stove'"):
        zones_of(read_zones(form(fields(0), fields(1))))
    many = [fields(number, name=f"z{number}") for number in range(ZONES_MAX + 5)]
    with pytest.raises(BadZonesError, match="at most"):
        zones_of(read_zones(form(*many)))
    assert len(zones_of(read_zones(form(*many[:ZONES_MAX])))) == ZONES_MAX


def test_what_is_to_be_removed_and_points_without_numbers_are_left_out() -> None:
    blank = fields(2, name="neon", x=["10", "", "60", "60"], y=["10", "", "10", "50"])
    found = zones_of(read_zones(form(fields(0), {**fields(10, name="gone"), "zone-10-remove": "1"}, blank)))
    assert [(one.name, len(one.points)) for one in found] == [("stove", 4), ("neon", 3)]
    assert read_zones(FormData([("zone-x-name", "a"), ("zone-", "b"), ("form_token", "c")])) == ()


def test_what_was_saved_is_typed_as_it_was() -> None:
    night = {**fields(1, name="night", to="04:00"), "zone-1-from": "22:05"}
    saved = zones_of(read_zones(form(fields(size="0.5"), night)))
    assert (saved[1].from_minute, saved[1].to_minute) == (1325, 240)
    assert all(isinstance(one, CameraZone) for one in saved)
    assert zones_of(inputs_of(saved)) == saved


async def test_a_zone_can_be_added_without_a_script(bench: Bench) -> None:
    assert 'value="zone-1"' not in (await read(bench)).split("<template")[0]
    async with bench.browser() as browser:
        page = (await browser.get(f"{PAGE}?add=1")).text.split("<template")[0]
    assert 'name="zone-0-name" value="zone-1"' in page
    assert page.count('name="zone-0-x"') == 4


async def test_the_offset_and_the_time_travel_with_the_plan(bench: Bench) -> None:
    device = Device(bench)
    await save(bench, fields())
    await eventually_async(lambda: bool(device.plans))
    assert (device.plans[0].utc_offset_minutes, device.plans[0].issued_unix_ms) == (540, NOW)
