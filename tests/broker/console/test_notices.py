"""Notices: from the hand of a person to a signed manifest on the bus and a file by its hash."""

import base64

import cv2
import numpy as np
import pytest

from broker.console.manifest import NOTICES_PER_MARKET_MAX
from broker.stores.notices import Draft
from contract.presence import SignageReport
from contract.schedule import decide
from contract.signage import Manifest, SignedManifest
from contract.signature import Verifier
from contract.topics import Topic, TopicFilter
from tests.broker.console.conftest import NOW, Bench
from tests.eventually import eventually_async

PNG = bytes(cv2.imencode(".png", np.full((9, 16, 3), 90, np.uint8))[1])
PATH = "/api/v1/markets/jungang/notices"


class Screen:
    """What a device receives, checked as a device checks it."""

    def __init__(self, bench: Bench) -> None:
        self._verifier = Verifier(bench.console.signer.public_key_hex)
        self.manifests: list[Manifest] = []
        where = TopicFilter("jungang", "alley-1", "desired", "signage")
        bench.device.subscribe(where, SignedManifest, self._take)

    async def _take(self, topic: Topic, signed: SignedManifest) -> None:
        self.manifests.append(self._verifier.manifest(signed, topic.market, topic.device, generation_min=0))

    async def shows(self, *items: str) -> Manifest:
        """Wait until the newest manifest's schedule shows exactly these items."""

        def shown() -> tuple[str, ...]:
            playlist = decide(self.manifests[-1], NOW).playlist
            return () if playlist is None else tuple(item.item for item in playlist.items)

        await eventually_async(lambda: self.manifests and shown() == items, what=f"the screen shows {items}")
        return self.manifests[-1]


async def test_a_device_with_screens_has_a_manifest_from_the_start(bench: Bench) -> None:
    manifest = await Screen(bench).shows("occupancy")
    assert (manifest.generation, manifest.utc_offset_minutes) == (1, 540)


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
async def test_a_notice_as_json_reaches_the_screen_with_its_picture(bench: Bench, prefix: str) -> None:
    screen = Screen(bench)
    body = {"title": "과일 골목 반값", "text": "오늘만", "picture": prefix + base64.b64encode(PNG).decode()}
    answer = await bench.api.post(PATH, json=body)
    assert (answer.status_code, answer.json()) == (
        201,
        {"notice_id": 1, "generations": {"alley-1": 2}, "waiting": []},
    )
    manifest = await screen.shows("notice-1", "occupancy")
    assert (manifest.generation, manifest.playlists[-1].items[0].title) == (2, "과일 골목 반값")
    file = await bench.stranger.get(f"/assets/{manifest.files[0].sha256}")
    assert (file.content, file.headers["content-type"]) == (PNG, "image/png")
    assert "immutable" in file.headers["cache-control"]


async def test_a_notice_as_a_form_is_the_same(bench: Bench) -> None:
    files = {"picture": ("p.png", PNG, "image/png")}
    answer = await bench.api.post(PATH, data={"title": "반값", "duration_s": "3600"}, files=files)
    assert answer.status_code == 201
    (seen,) = (await bench.api.get(PATH)).json()["notices"]
    assert (seen["title"], seen["until_unix_ms"], seen["phase"], seen["created_by"]) == (
        "반값",
        NOW + 3_600_000,
        "showing",
        "manager",
    )
    assert (await bench.stranger.get(seen["picture_url"])).status_code == 200


async def test_a_withdrawn_notice_leaves_at_once(bench: Bench) -> None:
    screen = Screen(bench)
    await bench.api.post(PATH, json={"title": "반값"})
    await screen.shows("notice-1", "occupancy")
    answer = await bench.api.delete(f"{PATH}/1")
    assert answer.json()["generations"] == {"alley-1": 3}
    await screen.shows("occupancy")
    assert (await bench.api.get(PATH)).json()["notices"][0]["phase"] == "withdrawn"
    assert (await bench.api.delete("/api/v1/markets/seomun/notices/1")).status_code == 404


async def test_arrival_is_what_the_device_reports(bench: Bench) -> None:
    await bench.api.post(PATH, json={"title": "반값"})
    assert (await bench.api.get(PATH)).json()["arrivals"][0]["state"] == "waiting"
    report = {"wanted_generation": 2, "time_unix_ms": NOW}
    for generation, state, arrival in ((1, "active", "waiting"), (1, "fetching", "fetching"), (2, "active", "active")):
        said = SignageReport.model_validate({**report, "generation": generation, "state": state})
        await bench.say("alley-1", said)
        await bench.until("markets/jungang/notices", arrival, "arrivals", 0, "state")
    rejected = SignageReport(generation=2, state="rejected", wanted_generation=3, reason="bad hash", time_unix_ms=NOW)
    await bench.say("alley-1", rejected)
    await bench.until("markets/jungang/notices", "bad hash", "arrivals", 0, "reason")
    await bench.presence("alley-1", "offline")
    await bench.until("markets/jungang/notices", "offline", "arrivals", 0, "state")


async def test_without_a_broker_a_notice_waits_and_leaves_when_it_is_back(bench: Bench) -> None:
    screen = Screen(bench)
    await screen.shows("occupancy")
    bench.bus.go_down()
    await eventually_async(lambda: not bench.console.session.connected)
    answer = await bench.api.post(PATH, json={"title": "반값"})
    assert (answer.status_code, answer.json()["waiting"]) == (201, ["alley-1"])
    bench.bus.come_up()
    await screen.shows("notice-1", "occupancy")


async def test_a_generation_that_a_device_has_seen_is_not_issued_again(bench: Bench) -> None:
    await bench.say("alley-1", SignageReport(generation=40, state="active", wanted_generation=41, time_unix_ms=NOW))
    await bench.until("devices?market=jungang", 40, 0, "signage", "generation")
    answer = await bench.api.post(PATH, json={"title": "반값"})
    assert answer.json()["generations"] == {"alley-1": 42}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": "  "}, "title"),
        ({"title": "x" * 81}, "title"),
        ({"title": "x", "text": "x" * 501}, "text"),
        ({"title": "x", "colour": "red"}, "colour"),
        ({"title": "x", "picture": "%%%"}, "picture"),
        ({"title": "x", "picture": base64.b64encode(b"GIF89a......").decode()}, "picture"),
        ({"title": "x", "picture": base64.b64encode(PNG[:20]).decode()}, "picture"),
        ({"title": "x", "until_unix_ms": NOW - 1}, "until_unix_ms"),
        ({"title": "x", "from_unix_ms": NOW + 10, "until_unix_ms": NOW + 5}, "until_unix_ms"),
        ({"title": "x", "duration_s": 0}, "duration_s"),
    ],
)
async def test_a_bad_notice_is_refused_whole(bench: Bench, body: dict[str, object], field: str) -> None:
    answer = await bench.api.post(PATH, json=body)
    assert (answer.status_code, answer.json().get("field")) == (422, field), answer.text
    assert (await bench.api.get(PATH)).json()["notices"] == []
    assert bench.console.push.wanted() in ({}, dict.fromkeys(bench.console.push.wanted(), 1))


async def test_bodies_that_are_no_notice_are_refused(bench: Bench) -> None:
    assert (await bench.api.post(PATH, content=b"{", headers={"content-type": "application/json"})).status_code == 422
    assert (await bench.api.post(PATH, content=b"hello")).json()["field"] == "Content-Type"
    big = {"picture": ("p.png", PNG + b"\x00" * 5_000_000, "image/png")}
    answer = await bench.api.post(PATH, data={"title": "x"}, files=big)
    assert (answer.status_code, "5 MB" in answer.json()["error"]) == (422, True)
    huge = {"picture": ("p.png", PNG + b"\x00" * 9_000_000, "image/png")}
    answer = await bench.api.post(PATH, data={"title": "x"}, files=huge)
    assert (answer.status_code, list(answer.json())) == (413, ["error"])


async def test_a_market_has_room_for_so_many_notices(bench: Bench) -> None:
    for number in range(NOTICES_PER_MARKET_MAX):
        bench.console.notices.add("jungang", draft(str(number)))
    answer = await bench.api.post(PATH, json={"title": "one more"})
    assert (answer.status_code, "withdraw one" in answer.json()["error"]) == (409, True)


async def test_notices_too_long_together_are_refused_and_nothing_stays(bench: Bench) -> None:
    for number in range(NOTICES_PER_MARKET_MAX - 1):
        bench.console.notices.add("jungang", draft(str(number), "가" * 500, end=NOW + (number + 1) * 60_000))
    answer = await bench.api.post(PATH, json={"title": "x", "text": "나" * 500, "duration_s": 90})
    titles = [one["title"] for one in (await bench.api.get(PATH)).json()["notices"]]
    assert (answer.status_code == 409) == ("x" not in titles)


def draft(title: str, text: str = "", end: int | None = None) -> Draft:
    return Draft(title, text, None, NOW, end, "kim")


async def test_assets_are_served_in_ranges_and_not_twice(bench: Bench) -> None:
    await bench.api.post(PATH, json={"title": "x", "picture": base64.b64encode(PNG).decode()})
    url = (await bench.api.get(PATH)).json()["notices"][0]["picture_url"]
    part = await bench.stranger.get(url, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, PNG[10:20])
    whole = await bench.stranger.get(url)
    again = await bench.stranger.get(url, headers={"if-none-match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    resumed = {"range": "bytes=10-", "if-range": whole.headers["etag"]}
    assert (await bench.stranger.get(url, headers=resumed)).content == PNG[10:]
    assert (await bench.stranger.get("/assets/" + "0" * 64)).status_code == 404
    assert (await bench.stranger.get("/assets/..%2fsigning.key")).status_code == 404
