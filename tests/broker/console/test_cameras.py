"""A camera's page: sees or cannot see, live view by right and audited, a drill that is no fire."""

import asyncio
import base64
import re
from dataclasses import dataclass, field

import pytest

from broker.console.cameras import BOUNDARY, VIEW_S, view_stream
from broker.console.viewing import FRESH_MS, KEPT_MS, PICTURES_MAX, VIEWERS_MAX, Place, TooManyViewersError, Views
from broker.stores.incident_models import Picture, Sighting
from broker.stores.incidents import Incidents
from broker.stores.messages import Messages, NewMessage
from broker.stores.users import Users
from contract.access import DeviceIdentity
from contract.cameras import CameraCommand, CameraReply, ViewPicture
from contract.events import FireEvent, FireReason, FireSign, Phase
from contract.presence import SettingsReport
from contract.signature import Verifier
from contract.telemetry import CameraBatch, CameraReading, Reason
from contract.topics import Topic, TopicFilter
from runtime.clock import ManualClock
from tests.broker.console.conftest import EPOCH, NOW, Bench
from tests.broker.console.test_access import form_token
from tests.eventually import eventually_async

PAGE = "/markets/jungang/cameras/cam-1"
PLACE = Place(DeviceIdentity("jungang", "alley-1"), "cam-1")
JPEG = b"\xff\xd8\xff\xe0 picture"


def picture(number: int = 0, camera: str = "cam-1", jpeg: bytes = JPEG) -> ViewPicture:
    return ViewPicture(
        camera=camera, time_unix_ms=NOW, score=0.2, fire="quiet", width_px=320, height_px=240,
        jpeg_base64=base64.b64encode(jpeg + b"%d" % number).decode(),
    )  # fmt: skip


@dataclass
class Device:
    """Answers camera commands as a device does, after it has checked them as a device does."""

    bench: Bench
    outcome: str | None = "done"
    commands: list[CameraCommand] = field(default_factory=list)

    def __post_init__(self) -> None:
        where = TopicFilter("jungang", "alley-1", "cmd", "camera")
        self.bench.device.subscribe(where, CameraCommand, self._answer)

    async def _answer(self, topic: Topic, command: CameraCommand) -> None:
        Verifier(self.bench.console.signer.public_key_hex).command(command, topic.market, topic.device)
        self.commands.append(command)
        if self.outcome is not None:
            values = {"command_id": command.command_id, "outcome": self.outcome, "time_unix_ms": NOW}
            await self.bench.say("alley-1", CameraReply.model_validate(values))


async def press(bench: Bench, action: str) -> str:
    """Press a button of the page; where one is led."""
    async with bench.browser() as browser:
        answer = await browser.post(f"{PAGE}/{action}", data={"form_token": await form_token(browser)})
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])


async def read(bench: Bench, path: str = PAGE, language: str = "en") -> str:
    async with bench.browser() as browser:
        return (await browser.get(path, params={"lang": language})).text


def audited(bench: Bench) -> list[tuple[str, str, str]]:
    return [(one.action, one.subject, one.detail) for one in bench.console.audit.newest() if "camera" in one.action]


async def see(bench: Bench, **changes: object) -> None:
    values = {"time_unix_ms": bench.clock.unix_ms(), "camera": "cam-1", "state": "live", "fps": 8.0, **changes}
    seen = CameraReading.model_validate(values)
    bench.seq += 1
    await bench.say("alley-1", CameraBatch(epoch=EPOCH, seq=bench.seq, readings=(seen,)))
    await bench.until("devices?market=jungang", seen.state, 0, "cameras", 0, "state")


async def test_a_camera_that_cannot_see_says_so_first_with_reason_and_age(bench: Bench) -> None:
    page = await read(bench)
    assert re.search(r"Cannot see: never reported.*?does not mean that there is no fire", page, re.DOTALL)
    await see(bench)
    assert "It sees" in await read(bench)
    await see(bench, state="unknown", reason=Reason.FROZEN)
    bench.clock.advance(5)
    page = await read(bench)
    assert re.search(r"Cannot see: frozen.*?5 s ago", page, re.DOTALL)
    assert "Quiet" not in page
    bench.clock.advance(60)
    assert "Cannot see: stale" in await read(bench)


async def test_a_camera_that_is_not_there_is_404(bench: Bench) -> None:
    async with bench.browser() as browser:
        for path in ("/markets/jungang/cameras/none", "/markets/atlantis/cameras/cam-1", f"{PAGE}/view"):
            assert (await browser.get(path)).status_code == 404, path


async def test_a_view_is_asked_for_by_a_signed_command_and_written_down(bench: Bench) -> None:
    device = Device(bench)
    assert await press(bench, "view") == f"{PAGE}?did=view&said=done&command={device.commands[0].command_id}#view"
    assert [(one.camera, one.action, one.lasts_s) for one in device.commands] == [("cam-1", "view", VIEW_S)]
    assert audited(bench) == [("camera.view", "jungang/alley-1/cam-1", "60 s")]
    assert bench.console.views.until(PLACE) == NOW + VIEW_S * 1000
    page = await read(bench)
    assert f'src="{PAGE}/view"' in page
    assert "No picture has come yet." in page
    await press(bench, "stop-view")
    assert bench.console.views.until(PLACE) is None
    assert device.commands[-1].action == "stop-view"


@pytest.mark.parametrize(("outcome", "runs"), [("refused", False), ("expired", False), (None, True)])
async def test_a_view_that_the_device_does_not_take_does_not_run(
    bench: Bench, outcome: str | None, *, runs: bool
) -> None:
    device, way = Device(bench, outcome), asyncio.create_task(press(bench, "view"))
    await eventually_async(lambda: bool(device.commands))
    while not way.done():  # what nobody answers is waited for by the console's own clock
        bench.clock.advance(1)
        await asyncio.sleep(0.06)
    assert f"said={outcome or 'waiting'}" in await way
    assert (bench.console.views.until(PLACE) is not None) == runs


async def test_the_stream_gives_the_newest_picture_and_ends_with_the_view(bench: Bench) -> None:
    bench.console.views.start(PLACE, NOW + 60_000)
    stream = view_stream(bench.console, PLACE, "김관리")
    assert await anext(stream) == f"--{BOUNDARY}\r\n".encode()
    for number in range(3):
        await bench.say("alley-1", picture(number))
    await eventually_async(
        lambda: (shown := bench.console.views.newest(PLACE)) is not None and shown.jpeg.endswith(b"2")
    )
    part = await anext(stream)
    assert part.startswith(b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % (len(JPEG) + 1))
    assert JPEG + b"2" in part
    assert part.endswith(f"--{BOUNDARY}\r\n".encode()), "one slot: what was not fetched is not told later"
    bench.clock.advance(61)
    assert [one async for one in stream] == []
    await eventually_async(lambda: ("camera.watched", "jungang/alley-1/cam-1", "61 s") in audited(bench))


async def test_closing_the_browser_is_written_down_too(bench: Bench) -> None:
    bench.console.views.start(PLACE, NOW + 60_000)
    stream = view_stream(bench.console, PLACE, "김관리")
    await anext(stream)
    bench.clock.advance(7)
    await stream.aclose()
    await eventually_async(lambda: ("camera.watched", "jungang/alley-1/cam-1", "7 s") in audited(bench))


async def test_the_page_says_when_pictures_stay_away(bench: Bench) -> None:
    bench.console.views.start(PLACE, NOW + 60_000)
    bench.console.views.note(PLACE.identity, picture())
    assert "No new picture comes" not in await read(bench)
    bench.clock.advance(FRESH_MS / 1000 + 1)
    page = await read(bench)
    assert re.search(r"view--stale.*?No new picture comes.*?4 s ago", page, re.DOTALL)


async def test_who_may_only_look_at_pages_does_not_look_through_cameras(bench: Bench) -> None:
    Users(bench.engine, bench.clock).ensure("viewer", "x", "viewer")
    bench.console.views.start(PLACE, NOW + 60_000)
    bench.console.views.note(PLACE.identity, picture())
    async with bench.client(headers={"accept": "text/html"}) as viewer:
        assert (await viewer.post("/sign-in", data={"name": "viewer", "password": "x"})).status_code == 303
        page = (await viewer.get(PAGE, params={"lang": "en"})).text
        assert "Only managers may do this." in page
        assert "zones-form" not in page
        for path in ("view", "picture"):
            assert (await viewer.get(f"{PAGE}/{path}")).status_code == 403
        for action in ("view", "test", "zones"):
            token = await form_token(viewer)
            assert (await viewer.post(f"{PAGE}/{action}", data={"form_token": token})).status_code == 403
    assert audited(bench) == []


def test_pictures_that_nobody_asked_for_or_that_are_none_are_not_kept() -> None:
    clock = ManualClock(NOW)
    views = Views(clock)
    views.note(PLACE.identity, picture())
    assert views.newest(PLACE) is None
    views.start(PLACE, NOW + 1_000)
    views.note(PLACE.identity, picture(jpeg=b"GIF89a"))
    views.note(PLACE.identity, picture(camera="cam-2"))
    assert views.newest(PLACE) is None
    views.note(PLACE.identity, picture())
    assert views.newest(PLACE) is not None
    clock.advance(KEPT_MS / 1000 + 1)
    assert views.newest(PLACE) is None


async def test_viewers_and_pictures_are_bounded() -> None:
    clock = ManualClock(NOW)
    views = Views(clock)
    places = [Place(PLACE.identity, f"cam-{number}") for number in range(PICTURES_MAX + 1)]
    for place in places:
        views.start(place, NOW + 60_000)
        views.note(place.identity, picture(camera=place.camera))
    assert [views.newest(place) is not None for place in places] == [False] + [True] * PICTURES_MAX
    streams = [views.watch(places[-1]) for _ in range(VIEWERS_MAX)]
    viewers = [stream.__enter__() for stream in streams]
    with pytest.raises(TooManyViewersError), views.watch(places[-1]):
        raise AssertionError("one too many")
    assert await viewers[0].next(1.0) is not None, "a fresh picture is there at once"
    streams[0].__exit__(None, None, None)
    clock.advance(FRESH_MS / 1000 + 1)
    with views.watch(places[-1]) as late:
        assert await late.next(0.01) is None, "an old picture is not shown as now"


def drill_event(bench: Bench, phase: Phase = Phase.RAISED, seq: int = 500) -> FireEvent:
    now = bench.clock.unix_ms()
    return FireEvent(
        epoch=EPOCH, seq=seq, event_id="d" * 32, time_unix_ms=now, phase=phase, zone="b", camera="cam-1", score=0.9,
        first_seen_unix_ms=now - 1_200, decided_unix_ms=now, drill=True,
        reasons=(FireReason(sign=FireSign.LOOKS_LIKE_FLAME, strength=0.9),), scores=(0.1, 0.5, 0.9),
    )  # fmt: skip


def record(bench: Bench, event: FireEvent, *messages: NewMessage) -> int:
    """What alerts makes of a drill; the incident."""
    what = "drill" if event.drill else "fire"
    seen = Sighting(
        "jungang", "alley-1", EPOCH, event.seq, event.event_id, what, event.phase, event.time_unix_ms, "b", what,
        what, "cam-1", what, body=event.model_dump_json(), score=event.score,
    )  # fmt: skip
    (change,) = Incidents(bench.engine, bench.clock).record([seen], lambda _change: messages)
    assert change.incident is not None
    return change.incident.incident_id


def record_stills(bench: Bench, event: FireEvent) -> None:
    """The three pictures of a fire, the last one private."""
    stills = [
        Picture("jungang", "alley-1", EPOCH, 600 + index, event.event_id, "cam-1", NOW + index, JPEG, moment,
                private=index == 2)
        for index, moment in enumerate(("before", "first", "now"))
    ]  # fmt: skip
    Incidents(bench.engine, bench.clock).record(stills, lambda _change: ())


async def test_a_drill_is_shown_as_a_drill_and_never_as_a_fire(bench: Bench) -> None:
    event = drill_event(bench)
    await see(bench, fire="confirmed", fire_score=0.9)
    await bench.say("alley-1", event)
    await eventually_async(lambda: bool(bench.console.live.drills("jungang", NOW)))
    record(bench, event)
    for path in ("/markets/jungang", PAGE):
        page = await read(bench, path)
        assert "Drill" in page
        assert not re.search(r"FIRE|Fire confirmed|card--fire|class=\"alarm\"", page), path
    summary = (await read(bench, "/markets/jungang")).split("Active incidents")[1][:200]
    assert "<b>0</b>" in summary
    await bench.say("alley-1", event.model_copy(update={"drill": False, "event_id": "f" * 32, "seq": 501}))
    await eventually_async(lambda: bool(bench.console.live.fires("jungang", NOW)))
    assert "FIRE" in await read(bench, "/markets/jungang"), "a fire during a drill is a fire"


async def test_a_drill_shows_in_the_cameras_own_readings_before_any_event(bench: Bench) -> None:
    await see(bench, drill="quiet")
    assert "A drill is on" in await read(bench)
    assert "Drill" in await read(bench, "/markets/jungang")
    await see(bench, drill="confirmed", fire_score=0.9)
    for path in ("/markets/jungang", PAGE):
        page = await read(bench, path)
        assert "Drill" in page
        assert not re.search(r"FIRE|Fire confirmed|card--fire|class=\"alarm\"|Quiet", page), path
    assert "A flame lit as a test" in await read(bench)
    await see(bench, state="unknown", reason=Reason.FROZEN, drill="confirmed")
    assert "Drill" not in await read(bench, "/markets/jungang"), "what it saw is not what it sees"


@pytest.mark.parametrize(
    ("sounds", "says"), [(None, "is not known"), (False, "No siren sounds"), (True, "siren of device alley-1 sounds")]
)
async def test_the_test_fire_says_whether_a_siren_will_sound(bench: Bench, sounds: bool | None, says: str) -> None:
    if sounds is not None:
        settings = SettingsReport(settings_sha256="0" * 64, player_urls={}, drill_siren=sounds, time_unix_ms=NOW)
        await bench.say("alley-1", settings)
        await eventually_async(lambda: bench.console.live.device(PLACE.identity).settings is not None)
    page = await read(bench)
    assert says in page.split('id="test"')[1]


async def test_the_first_glimpse_of_a_drills_flame_is_a_step_of_its_way(bench: Bench) -> None:
    Device(bench)
    await press(bench, "test")
    bench.clock.advance(2)
    await see(bench, drill="suspected", fire_score=0.6)
    assert re.search(r"A flame is seen.*?2\.0 s.*?confirmed.*?waiting", await read(bench), re.DOTALL)


async def test_who_looks_at_a_picture_is_written_down_once_an_hour(bench: Bench) -> None:
    event = drill_event(bench).model_copy(update={"drill": False})
    incident = record(bench, event)
    record_stills(bench, event)
    code = bench.console.incidents.get(incident).code
    Users(bench.engine, bench.clock).ensure("viewer", "x", "viewer")

    def looks() -> list[tuple[str, str]]:
        rows = bench.console.audit.newest()
        return sorted((one.who, one.subject) for one in rows if one.action == "incident.picture")

    async with bench.browser() as browser:
        for moment in ("before", "now", "now"):
            assert (await browser.get(f"/incidents/{incident}/stills/{moment}")).status_code == 200
        assert (await browser.get(f"/incidents/{incident}/still")).status_code == 200
    (manager,) = {who for who, _ in looks()}
    assert looks() == [(manager, f"jungang/{code}/before"), (manager, f"jungang/{code}/now")]
    async with bench.client(headers={"accept": "text/html"}) as viewer:
        assert (await viewer.post("/sign-in", data={"name": "viewer", "password": "x"})).status_code == 303
        assert (await viewer.get(f"/api/v1/incidents/{incident}/still")).status_code == 200
    assert ("viewer", f"jungang/{code}/now") in looks()
    assert len(looks()) == 3
    bench.clock.advance(3600)
    async with bench.browser() as browser:
        await browser.get(f"/incidents/{incident}/still")
        assert len(looks()) == 4
        assert "looked at a picture of a fire" in (await browser.get("/health", params={"lang": "en"})).text


async def test_who_looks_at_the_last_picture_of_a_view_is_written_down_too(bench: Bench) -> None:
    bench.console.views.start(PLACE, NOW + 60_000)
    bench.console.views.note(PLACE.identity, picture())
    async with bench.browser() as browser:
        for _ in range(2):
            assert (await browser.get(f"{PAGE}/picture")).status_code == 200
    assert audited(bench) == [("camera.picture", "jungang/alley-1/cam-1", "")]


async def test_a_test_fire_shows_each_step_and_ends_with_a_verdict(bench: Bench) -> None:
    device = Device(bench)
    assert "said=done" in await press(bench, "test")
    assert [(one.action, one.lasts_s) for one in device.commands] == [("drill", 120)]
    assert re.search(
        r"The test is running.*?has accepted.*?0\.0 s.*?A flame is seen.*?waiting", await read(bench), re.DOTALL
    )
    bench.clock.advance(4)
    event = drill_event(bench)
    await bench.say("alley-1", event)
    await eventually_async(lambda: bool(bench.console.live.drills("jungang", bench.clock.unix_ms())))
    assert re.search(r"seen.*?2\.8 s.*?confirmed.*?4\.0 s.*?recorded.*?waiting", await read(bench), re.DOTALL)
    bench.clock.advance(1)
    incident = record(bench, event, NewMessage("0", "김상인", "01012345678", "[훈련]", bench.clock.unix_ms()))
    messages = Messages(bench.engine, bench.clock)
    (claimed,) = messages.claim(1)
    messages.accepted(claimed.message_id, "kannel", "x")
    bench.clock.advance(2)
    messages.delivered(claimed.message_id, "kannel")
    page = await read(bench)
    assert re.search(
        r"The whole way works: 7\.0 s from the command.*?recorded.*?5\.0 s.*?delivered.*?7\.0 s", page, re.DOTALL
    )
    assert "camera.drill" in {action for action, _, _ in audited(bench)}
    assert messages.of_incident(incident)[0].state == "delivered"


async def test_a_test_that_was_recorded_counts_even_if_the_bus_was_not_heard(bench: Bench) -> None:
    Device(bench)
    await press(bench, "test")
    bench.clock.advance(3)
    record(bench, drill_event(bench))
    assert "there is no manager to tell" in await read(bench)


async def test_the_test_flame_page_is_open_and_in_both_languages(bench: Bench) -> None:
    for language, says in (("ko", "시험 불꽃"), ("en", "Test flame")):
        answer = await bench.stranger.get("/test-fire-card", params={"lang": language})
        assert answer.status_code == 200
        assert says in answer.text
        assert "sse-connect" not in answer.text, "it goes on without a network"


async def test_an_incidents_page_has_three_stills_reasons_in_words_and_the_scores(bench: Bench) -> None:
    reasons = (
        FireReason(sign=FireSign.LOOKS_LIKE_FLAME, strength=0.94),
        FireReason(sign=FireSign.FLICKERS, strength=0.6),
        FireReason(sign=FireSign.SHINES, strength=0.1),
    )
    scores = tuple(number / 20 for number in range(20))
    event = drill_event(bench).model_copy(update={"drill": False, "reasons": reasons, "scores": scores})
    incident = record(bench, event)
    path = f"/markets/jungang/incidents/{incident}"
    assert "No picture came" in await read(bench, path)
    record_stills(bench, event)
    page = await read(bench, path)
    assert re.search("Before the flame.*?first seen.*?confirmed.*?hidden outside the fire", page, re.DOTALL)
    found = re.findall(r"<span>([^<]+)</span> <b>([^<]+)</b>", page)
    assert found == [
        ("it looks like flame", "very strongly"),
        ("it flickers", "strongly"),
        ("it outshines what is around it", "weakly"),
    ]
    assert "Flame score over 4.8 s before the confirmation: first 0.00, last 0.95, highest 0.95" in page
    (points,) = re.findall(r'points="([^"]+)"', page)
    assert points.split()[0] == "0.0,140.0"
    assert points.split()[-1] == "480.0,7.0"
    async with bench.browser() as browser:
        for moment in ("before", "first", "now"):
            answer = await browser.get(f"/incidents/{incident}/stills/{moment}")
            assert (answer.content, answer.headers["cache-control"]) == (JPEG, "no-store")
        assert (await browser.get(f"/incidents/{incident}/stills/after")).status_code == 422
        assert (await browser.get(f"/markets/seomun/incidents/{incident}")).status_code == 404
    assert "불꽃을 처음 본 때" in await read(bench, path, "ko")
