"""The API, against a whole console on an in-memory bus."""

import asyncio
from pathlib import Path

from broker.series.ports import sample_of
from broker.stores.dead_letters import DeadLetter
from contract.delivery import CommandReply, SirenCommand
from contract.presence import SettingsReport, SignageReport
from contract.signature import Verifier
from contract.telemetry import (
    BayState,
    CameraBatch,
    CameraReading,
    PeopleBatch,
    PeopleReading,
    Reason,
    ScreenBatch,
    ScreenReading,
    SirenBatch,
    SirenReading,
)
from contract.topics import Topic, TopicFilter
from tests.broker.console.conftest import EPOCH, NOW, Bench, bay, running
from tests.eventually import eventually_async


async def test_markets_are_listed(bench: Bench) -> None:
    answer = await bench.api.get("/api/v1/markets")
    assert answer.json() == [
        {"id": "jungang", "name_ko": "중앙시장", "name_en": "Jungang Market"},
        {"id": "seomun", "name_ko": "서문시장", "name_en": "Seomun Market"},
    ]


async def test_a_bay_that_never_reported_is_unknown_and_says_so(bench: Bench) -> None:
    bays = await bench.bays()
    assert list(bays) == ["a-01", "a-02"]
    never = bays["a-01"]
    assert (never["state"], never["reason"], never["age_s"]) == ("unknown", "never-reported", None)
    assert (never["zone"], never["lot"], never["last_state"]) == ("a", "main", None)


async def test_occupancy_follows_the_bus_and_grows_old(bench: Bench) -> None:
    path = "markets/jungang/occupancy"
    await bench.park(bay("a-01", BayState.OCCUPIED, NOW), bay("a-02", BayState.FREE, NOW))
    await bench.until(path, "occupied", "bays", 0, "state")
    bench.clock.advance(5)
    bays = await bench.bays()
    assert (bays["a-01"]["age_s"], bays["a-01"]["reason"], bays["a-02"]["state"]) == (5.0, None, "free")
    lot = (await bench.api.get(f"/api/v1/{path}")).json()["lots"][0]
    assert (lot["lot"], lot["total"], lot["free"], lot["occupied"], lot["unknown"]) == ("main", 2, 1, 1, 0)
    bench.clock.advance(20)
    assert (await bench.bays())["a-01"]["reason"] is None
    bench.clock.advance(1)
    stale = (await bench.bays())["a-01"]
    assert (stale["state"], stale["reason"], stale["age_s"], stale["last_state"]) == (
        "unknown",
        "stale",
        26.0,
        "occupied",
    )


async def test_a_replayed_backlog_never_overwrites_what_is_newer(bench: Bench) -> None:
    await bench.park(bay("a-01", BayState.OCCUPIED, NOW), bay("a-02", BayState.FREE, NOW))
    await bench.until("markets/jungang/occupancy", "occupied", "bays", 0, "state")
    await bench.park(bay("a-01", BayState.FREE, NOW - 30_000), replayed=True)
    await bench.park(bay("a-02", BayState.OCCUPIED, NOW))
    await bench.until("markets/jungang/occupancy", "occupied", "bays", 1, "state")
    assert (await bench.bays())["a-01"]["state"] == "occupied"


async def test_a_device_that_died_makes_its_values_unknown_and_coming_back_mends_it(bench: Bench) -> None:
    await bench.park(bay("a-01", BayState.FREE, NOW))
    await bench.presence("parking-1", "offline")
    await bench.until("markets/jungang/occupancy", "device-offline", "bays", 0, "reason")
    await bench.presence("parking-1", "online")
    await bench.until("markets/jungang/occupancy", "free", "bays", 0, "state")


async def test_a_sensor_says_itself_why_it_does_not_know(bench: Bench) -> None:
    await bench.park(bay("a-01", BayState.UNKNOWN, NOW, Reason.NO_ECHO))
    await bench.until("markets/jungang/occupancy", "no-echo", "bays", 0, "reason")


async def test_what_the_registry_does_not_know_is_not_shown(bench: Bench) -> None:
    await bench.park(bay("z-99", BayState.FREE, NOW), bay("a-01", BayState.FREE, NOW))
    await bench.until("markets/jungang/occupancy", "free", "bays", 0, "state")
    assert set(await bench.bays()) == {"a-01", "a-02"}
    assert bench.console.feed.unregistered_count == 1


async def test_a_lost_link_is_said_and_ages_go_on(bench: Bench) -> None:
    await bench.park(bay("a-01", BayState.FREE, NOW))
    await bench.until("markets/jungang/occupancy", "free", "bays", 0, "state")
    bench.bus.go_down()
    await bench.until("markets/jungang/occupancy", "lost", "link", "state")
    bench.clock.advance(61)
    assert (await bench.bays())["a-01"]["reason"] == "stale"
    bench.bus.come_up()
    await bench.until("markets/jungang/occupancy", "connected", "link", "state")


async def test_a_device_that_is_back_is_believed_only_what_it_says_anew(bench: Bench) -> None:
    await bench.park(bay("a-01", BayState.FREE, NOW - 2000))
    await bench.until("markets/jungang/occupancy", "free", "bays", 0, "state")
    await bench.presence("parking-1", "offline")
    await bench.until("markets/jungang/occupancy", "device-offline", "bays", 0, "reason")
    await bench.presence("parking-1", "online")
    await bench.until("markets/jungang/occupancy", "stale", "bays", 0, "reason")
    await bench.park(bay("a-01", BayState.FREE, NOW))
    await bench.until("markets/jungang/occupancy", "free", "bays", 0, "state")


async def test_a_setting_replaces_the_time_of_every_kind(tmp_path: Path) -> None:
    async with running(tmp_path, stale_after_s=60) as bench:
        await bench.park(bay("a-01", BayState.FREE, NOW))
        await bench.until("markets/jungang/occupancy", "free", "bays", 0, "state")
        bench.clock.advance(59)
        assert (await bench.bays())["a-01"]["reason"] is None
        bench.clock.advance(2)
        assert (await bench.bays())["a-01"]["reason"] == "stale"


async def test_people_and_gates_count_from_midnight_where_the_store_remembers(bench: Bench) -> None:
    reading = PeopleReading(time_unix_ms=NOW, counter="east", state="live", in_count=120, out_count=100)
    await bench.say("alley-1", PeopleBatch(epoch=EPOCH, seq=1, readings=(reading,)))
    await bench.until("markets/jungang/occupancy", 120, "people", 0, "in_count")
    answer = (await bench.api.get("/api/v1/markets/jungang/occupancy")).json()
    assert (answer["people"][0]["in_today"], answer["gates"][0]["reason"]) == (None, "never-reported")


async def test_devices_tell_cameras_screens_and_sirens(bench: Bench) -> None:
    await bench.presence("alley-1", "online")
    url = {"screen-1": "http://127.0.0.1:8611/screen/screen-1"}
    await bench.say("alley-1", SettingsReport(settings_sha256="0" * 64, player_urls=url, time_unix_ms=NOW))
    camera = CameraReading(time_unix_ms=NOW, camera="cam-1", state="live", fps=8.0, fire_score=0.3, fire="suspected")
    await bench.say("alley-1", CameraBatch(epoch=EPOCH, seq=1, readings=(camera,)))
    screen = ScreenReading(time_unix_ms=NOW, screen="screen-1", state="live", showing="notice", since_unix_ms=NOW)
    await bench.say("alley-1", ScreenBatch(epoch=EPOCH, seq=2, readings=(screen,)))
    siren = SirenReading(time_unix_ms=NOW, siren="siren-1", state="live", sounding=True, since_unix_ms=NOW)
    await bench.say("alley-1", SirenBatch(epoch=EPOCH, seq=3, readings=(siren,)))
    await bench.until("devices?market=jungang", "live", 0, "sirens", 0, "state")
    alley, parking = (await bench.api.get("/api/v1/devices")).json()
    assert (alley["device"], alley["presence"], alley["agent_version"]) == ("alley-1", "online", "0.1.0")
    assert alley["cameras"][0]["fire_score"] == 0.3
    assert alley["sirens"][0]["sounding"] is True
    assert (alley["screens"][0]["showing"], alley["screens"][0]["player_url"]) == ("notice", url["screen-1"])
    assert (parking["presence"], parking["signage"], parking["screens"]) == ("unknown", None, [])


async def test_a_player_url_that_is_no_web_address_is_not_handed_on(bench: Bench) -> None:
    url = {"screen-1": "javascript:alert(1)"}
    await bench.say("alley-1", SettingsReport(settings_sha256="0" * 64, player_urls=url, time_unix_ms=NOW))
    await bench.presence("alley-1", "online")
    await bench.until("devices?market=jungang", "online", 0, "presence")
    assert (await bench.api.get("/api/v1/devices")).json()[0]["screens"][0]["player_url"] is None


async def test_an_incident_is_acknowledged_once_and_written_down(bench: Bench) -> None:
    fire = bench.fire()
    (seen,) = (await bench.api.get("/api/v1/markets/jungang/incidents")).json()
    assert (seen["id"], seen["severity"], seen["state"], seen["acknowledged_by"]) == (fire, "fire", "raised", None)
    done = (await bench.api.post(f"/api/v1/incidents/{fire}/acknowledge")).json()
    assert (done["acknowledged_by"], done["acknowledged_unix_ms"]) == ("manager", NOW)
    bench.clock.advance(5)
    assert (await bench.api.post(f"/api/v1/incidents/{fire}/acknowledge")).json() == {**done, "age_s": 5.0}
    (message,) = (await bench.api.get("/api/v1/messages?market=jungang")).json()
    assert (message["state"], message["recipient"]) == ("cancelled", "01012345678")
    acts = [row.action for row in bench.console.audit.newest()]
    assert acts.count("incident.acknowledge") == 1
    assert (await bench.api.get("/api/v1/markets/seomun/incidents")).json() == []


async def test_what_is_not_there_is_404_with_a_sentence(bench: Bench) -> None:
    for method, path in (
        ("GET", "markets/atlantis/occupancy"),
        ("GET", "markets/atlantis/incidents"),
        ("GET", "markets/atlantis/notices"),
        ("POST", "incidents/999/acknowledge"),
        ("GET", "incidents/999/still"),
        ("GET", "devices?market=atlantis"),
        ("GET", "messages?market=atlantis"),
        ("GET", "stream?market=atlantis"),
        ("DELETE", "markets/jungang/notices/999"),
        ("POST", "devices/jungang/parking-1/sirens/silence"),
        ("POST", "devices/atlantis/alley-1/sirens/silence"),
        ("GET", "no-such-thing"),
    ):
        answer = await bench.api.request(method, f"/api/v1/{path}")
        assert (answer.status_code, list(answer.json())) == (404, ["error"]), path


async def test_two_managers_at_once_make_one_acknowledgement(bench: Bench) -> None:
    fire = bench.fire()
    answers = await asyncio.gather(*(bench.api.post(f"/api/v1/incidents/{fire}/acknowledge") for _ in range(6)))
    assert {one.status_code for one in answers} == {200}
    assert [row.action for row in bench.console.audit.newest()].count("incident.acknowledge") == 1


async def test_a_slash_at_the_end_is_no_other_address_and_head_is_get_without_a_body(bench: Bench) -> None:
    for path in ("/api/v1/markets", "/api/v1/markets/jungang/occupancy", "/healthz", "/openapi.json"):
        plain, slashed = await bench.api.get(path), await bench.api.get(f"{path}/")
        head = await bench.api.head(path)
        assert (plain.status_code, slashed.status_code) == (200, 200), path
        assert slashed.json().keys() == plain.json().keys() if isinstance(plain.json(), dict) else slashed.json()
        assert (head.status_code, head.content, head.headers["content-type"]) == (200, b"", "application/json")
    assert (await bench.stranger.head("/api/v1/markets")).status_code == 401
    assert (await bench.stranger.get("/api/v1/markets/")).status_code == 401


async def test_a_method_that_is_not_known_says_which_are(bench: Bench) -> None:
    for method, path in (("OPTIONS", "/api/v1/markets"), ("PUT", "/api/v1/markets"), ("HEAD", "/api/v1/stream")):
        answer = await bench.api.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET"), method
        assert "access-control-allow-origin" not in answer.headers


async def test_numbers_that_no_database_holds_are_refused_in_one_sentence(bench: Bench) -> None:
    for path in (f"incidents/{2**63}", f"incidents/{2**200}/still", "incidents/-1", "incidents/x"):
        answer = await bench.api.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.json()["field"]) == (422, "incident_id"), path
    for limit in ("0", "1001", "x"):
        assert (await bench.api.get(f"/api/v1/messages?limit={limit}")).status_code == 422
    assert (await bench.api.get("/api/v1/messages?market=%00")).status_code == 404
    assert (await bench.api.get("/api/v1/markets/%00/occupancy")).status_code == 404


async def test_the_interface_keeps_the_names_that_others_build_on(bench: Bench) -> None:
    fire = bench.fire()
    await bench.park(bay("a-01", BayState.FREE, NOW))
    await bench.until("markets/jungang/occupancy", "free", "bays", 0, "state")
    occupancy = (await bench.api.get("/api/v1/markets/jungang/occupancy")).json()
    assert occupancy["bays"][0].keys() >= {"bay", "state", "reason", "age_s"}
    devices = (await bench.api.get("/api/v1/devices")).json()
    assert all(one.keys() >= {"device", "cameras", "screens"} for one in devices)
    assert all("player_url" in screen for one in devices for screen in one["screens"])
    (message,) = (await bench.api.get("/api/v1/messages")).json()
    assert message.keys() >= {"recipient", "text", "state", "provider"}
    assert (await bench.api.post(f"/api/v1/incidents/{fire}/acknowledge")).json()["id"] == fire
    assert (await bench.stranger.get("/healthz")).json().keys() == {"status", "parts"}


async def test_a_bad_parameter_names_its_field(bench: Bench) -> None:
    answer = await bench.api.get("/api/v1/messages?limit=0")
    assert answer.status_code == 422
    assert answer.json()["field"] == "limit"


async def test_silencing_sends_a_signed_command_and_tells_the_answer(bench: Bench) -> None:
    heard: list[SirenCommand] = []

    async def obey(topic: Topic, command: SirenCommand) -> None:
        Verifier(bench.console.signer.public_key_hex).command(command, topic.market, topic.device)
        heard.append(command)
        reply = CommandReply(command_id=command.command_id, outcome="done", time_unix_ms=NOW)
        await bench.say("alley-1", reply)

    bench.device.subscribe(TopicFilter("jungang", "alley-1", "cmd", "siren"), SirenCommand, obey)
    answer = (await bench.api.post("/api/v1/devices/jungang/alley-1/sirens/silence")).json()
    assert (answer["outcome"], answer["command_id"]) == ("done", heard[0].command_id)
    assert heard[0].expires_unix_ms == NOW + 60_000


async def test_silencing_without_a_broker_says_so(bench: Bench) -> None:
    bench.bus.go_down()
    await eventually_async(lambda: not bench.console.session.connected)
    answer = await bench.api.post("/api/v1/devices/jungang/alley-1/sirens/silence")
    assert (answer.status_code, list(answer.json())) == (503, ["error"])


async def test_reports_reach_the_registry_too(bench: Bench) -> None:
    report = SignageReport(generation=1, state="active", wanted_generation=1, time_unix_ms=NOW)
    await bench.say("alley-1", report)
    registered = bench.console.directory

    def known() -> bool:
        registered.refresh()
        record = registered.market("jungang").record("alley-1")
        return record is not None and record.signage.get("state") == "active"

    await eventually_async(known)


async def test_dead_letters_are_shown_as_text(bench: Bench) -> None:

    letter = DeadLetter(NOW, "ingest", "malformed", "not JSON", "market/v1/x", b"\xff{", 2)
    bench.console.dead_letters.add([letter])
    (seen,) = (await bench.api.get("/api/v1/dead-letters")).json()
    assert (seen["reason_kind"], seen["body"], seen["body_bytes"]) == ("malformed", "\N{REPLACEMENT CHARACTER}{", 2)


async def test_the_console_starts_from_what_the_store_remembers(bench: Bench) -> None:

    bench.series.write([sample_of("jungang", "parking-1", "bays", bay("a-01", BayState.OCCUPIED, NOW - 5000))])
    bench.console.feed.seed(bench.series)
    seen = (await bench.bays())["a-01"]
    assert (seen["state"], seen["age_s"]) == ("occupied", 5.0)
