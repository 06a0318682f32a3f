"""Who may ask what: generated over the application's own routes."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute

from broker.stores.users import Users
from tests.broker.console.conftest import Bench, running

OPEN = {  # answer without a sign-in, and why that is right
    ("GET", "/healthz"),  # says ok or degraded, no detail
    ("GET", "/metrics"),  # from this machine only
    ("GET", "/assets/{sha256}"),  # the hash is the capability
    ("GET", "/test-fire-card"),  # a flame, and nothing of ours
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("GET", "/sign-in/link/{secret}"),
    ("POST", "/sign-in/link/{secret}"),
    ("GET", "/a/{token}"),  # the token is the capability
    ("POST", "/a/{token}"),
    ("GET", "/a/{token}/picture"),
}
VALUES = {"market": "jungang", "device": "alley-1", "incident_id": "1", "notice_id": "1", "letter_id": "1"}
VALUES |= {"recipient_id": "1", "kind": "camera"}
VALUES |= {"camera": "cam-1", "action": "view", "moment": "now", "number": "1"}


def routes(bench: Bench) -> Iterator[tuple[str, str]]:
    for route in bench.app.routes:
        included = getattr(route, "original_router", None)
        for one in [route] if included is None else included.routes:
            if isinstance(one, APIRoute):
                for method in one.methods or ():
                    yield method, one.path


def filled(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: VALUES[found[1]], path)


async def test_every_route_but_the_named_ones_needs_a_sign_in(bench: Bench) -> None:
    found = set(routes(bench))
    assert len(found) > 25
    assert found >= OPEN
    for method, path in found - OPEN:
        answer = await bench.stranger.request(method, filled(path), headers={"accept": "text/html"})
        if path.startswith("/api/"):
            assert (answer.status_code, list(answer.json())) == (401, ["error"]), path
            assert answer.headers["www-authenticate"] == "Bearer"
        else:
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/sign-in"), path


async def test_a_wrong_token_is_401_on_every_api_route(bench: Bench) -> None:
    async with bench.client(headers={"authorization": "Bearer wrong"}) as wrong:
        for method, path in routes(bench):
            if path.startswith("/api/"):
                assert (await wrong.request(method, filled(path))).status_code == 401, path
    assert bench.console.counters.refused_tokens_total > 5


async def test_a_token_in_another_dress_is_no_token(bench: Bench) -> None:
    token = bench.api.headers["authorization"].removeprefix("Bearer ")
    for header in (f"Basic {token}", token, "Bearer", "Bearer  ", f"Bearer {token}x", f"Bearer {token.upper()}"):
        async with bench.client(headers={"authorization": header}) as wrong:
            for path in ("/api/v1/markets", "/api/v1/stream"):
                answer = await wrong.get(path)
                assert (answer.status_code, list(answer.json())) == (401, ["error"]), header


async def test_a_viewer_looks_and_changes_nothing(bench: Bench) -> None:
    users = Users(bench.engine, bench.clock)
    users.keep_token(users.ensure("viewer", "x", "viewer"), "viewer-token")
    async with bench.client(headers={"authorization": "Bearer viewer-token"}) as viewer:
        assert (await viewer.get("/api/v1/markets")).status_code == 200
        for method, path in routes(bench):
            if path.startswith("/api/") and method in {"POST", "DELETE"}:
                assert (await viewer.request(method, filled(path))).status_code == 403, path


async def test_a_session_reads_the_api_but_does_not_write_it(bench: Bench) -> None:
    fire = bench.fire()
    async with bench.browser() as browser:
        assert (await browser.get("/api/v1/markets")).status_code == 200
        assert (await browser.post(f"/api/v1/incidents/{fire}/acknowledge")).status_code == 401


async def test_metrics_from_elsewhere_need_a_token(bench: Bench) -> None:
    token = bench.api.headers["authorization"]
    assert (await bench.stranger.get("/metrics")).status_code == 200
    assert (await bench.stranger.get("/metrics", headers={"x-forwarded-for": "1.2.3.4"})).status_code == 401
    async with bench.client(address="192.0.2.7") as far:
        assert (await far.get("/metrics")).status_code == 401
        assert (await far.get("/metrics", headers={"authorization": token})).status_code == 200


async def test_a_form_without_its_token_changes_nothing(bench: Bench) -> None:
    fire = bench.fire()
    path = f"/markets/jungang/incidents/{fire}/acknowledge"
    async with bench.browser() as browser:
        token = await form_token(browser)
        for data, headers in (
            ({}, {}),
            ({"form_token": "0" * 64}, {}),
            ({"form_token": "장터"}, {}),
            ({"form_token": token}, {"origin": "http://evil.test"}),
            ({"form_token": token}, {"sec-fetch-site": "cross-site"}),
        ):
            assert (await browser.post(path, data=data, headers=headers)).status_code == 403
        assert (await bench.api.get(f"/api/v1/incidents/{fire}")).json()["acknowledged_by"] is None
        good = {"origin": "http://console.test", "sec-fetch-site": "same-origin"}
        assert (await browser.post(path, data={"form_token": token}, headers=good)).status_code == 303
    assert (await bench.api.get(f"/api/v1/incidents/{fire}")).json()["acknowledged_by"] == "manager"


async def form_token(browser: httpx.AsyncClient) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', (await browser.get("/markets/jungang")).text)
    assert found is not None
    return found[1]


async def test_every_answer_carries_the_headers(bench: Bench) -> None:
    for path in ("/healthz", "/sign-in", "/api/v1/markets", "/static/console.css", "/no-such-page"):
        headers = (await bench.stranger.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(bench: Bench) -> None:
    link = Users(bench.engine, bench.clock).new_sign_in_link()
    answer = await bench.stranger.post(f"/sign-in/link/{link}")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie


async def test_over_https_cookies_are_secure_and_the_browser_is_told_to_stay(tmp_path: Path) -> None:
    async with running(tmp_path, public_url="https://market.example") as bench:
        link = Users(bench.engine, bench.clock).new_sign_in_link()
        answer = await bench.stranger.post(f"/sign-in/link/{link}")
        assert "secure" in answer.headers["set-cookie"].lower()
        assert "max-age" in answer.headers["strict-transport-security"]


async def test_only_allowed_hosts_are_answered(tmp_path: Path) -> None:
    async with running(tmp_path, allowed_hosts=["console.test"]) as bench:
        assert (await bench.stranger.get("/healthz")).status_code == 200
        assert (await bench.stranger.get("/healthz", headers={"host": "rebound.test:8600"})).status_code == 400


async def test_wrong_passwords_have_to_wait(bench: Bench) -> None:
    data = {"name": "manager", "password": "guess"}
    statuses = [(await bench.stranger.post("/sign-in", data=data)).status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    right = {"name": "manager", "password": (bench.data / "manager.password").read_text(encoding="utf-8")}
    assert (await bench.stranger.post("/sign-in", data=right)).status_code == 429
    bench.clock.advance(61)
    answer = await bench.stranger.post("/sign-in", data={**right, "next": "/devices"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/devices")
    assert (await bench.stranger.get("/devices")).status_code == 200


@pytest.mark.parametrize(
    "way", ["https://evil.test", "//evil.test", "/\\evil.test", "javascript:alert(1)", "/a\nb", ""]
)
async def test_signing_in_never_leads_to_another_site(bench: Bench, way: str) -> None:
    password = (bench.data / "manager.password").read_text(encoding="utf-8")
    answer = await bench.stranger.post("/sign-in", data={"name": "manager", "password": password, "next": way})
    assert answer.headers["location"] == "/"


async def test_signing_out_ends_the_session(bench: Bench) -> None:
    async with bench.browser() as browser:
        session = browser.cookies["jangteo_session"]
        await browser.post("/sign-out", data={"form_token": await form_token(browser)})
        browser.cookies.set("jangteo_session", session)
        assert (await browser.get("/markets/jungang")).status_code == 303
