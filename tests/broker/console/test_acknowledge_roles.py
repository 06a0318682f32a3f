"""Who may acknowledge by which way: every route of it with every visitor."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from broker.stores.users import Users
from tests.broker.console.conftest import Bench
from tests.broker.console.test_access import form_token
from tests.broker.console.test_ack_link import link

WAYS = ("form", "form-of-another-market", "api", "link")
ROLES = ("nobody", "viewer's token", "manager's token", "viewer's session", "manager's session")
MAY = {
    ("form", "manager's session"): ("manager", "console"),
    ("api", "manager's token"): ("manager", "console"),
    # the link is the proof: whose browser it is opened in changes nothing
    **{("link", role): ("김상인", "link") for role in ROLES},
}


@asynccontextmanager
async def visiting(bench: Bench, role: str) -> AsyncIterator[httpx.AsyncClient]:
    users = Users(bench.engine, bench.clock)
    viewer = users.ensure("viewer", "only for this test", "viewer")
    users.keep_token(viewer, "viewer-token")
    bearer = {"viewer's token": "Bearer viewer-token", "manager's token": bench.api.headers["authorization"]}
    headers = {"authorization": bearer[role]} if role in bearer else {}
    async with bench.client(headers=headers) as client:
        if role.endswith("session"):
            name = "viewer" if role.startswith("viewer") else "manager"
            secret = users.new_sign_in_link(name)
            assert (await client.post(f"/sign-in/link/{secret}")).status_code == 303
        yield client


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("way", WAYS)
async def test_every_way_with_every_visitor(bench: Bench, way: str, role: str) -> None:
    fire = bench.fire()
    paths = {
        "form": f"/markets/jungang/incidents/{fire}/acknowledge",
        "form-of-another-market": f"/markets/seomun/incidents/{fire}/acknowledge",
        "api": f"/api/v1/incidents/{fire}/acknowledge",
        "link": link(bench, fire),
    }
    async with visiting(bench, role) as client:
        # a viewer's form token is on their pages too: it is the role that stops them
        data = {"form_token": await form_token(client)} if role == "manager's session" else {}
        answer = await client.post(paths[way], data=data)
    found = bench.console.incidents.get(fire)
    assert (found.acknowledged_by, found.acknowledged_via) == MAY.get((way, role), (None, None))
    written = [(row.who, row.action) for row in bench.console.audit.newest() if row.action == "incident.acknowledge"]
    assert written == ([(MAY[way, role][0], "incident.acknowledge")] if (way, role) in MAY else [])
    sent_away = answer.headers.get("location", "").startswith("/sign-in")
    assert (answer.status_code < 400 and not sent_away) == ((way, role) in MAY)
