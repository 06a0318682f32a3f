"""Acknowledge links: found while they count, used once, never shown."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, delete, select, update

from broker.stores.acknowledge_tokens import (
    LIFE_S,
    MS_PER_S,
    AcknowledgeTokens,
    LinkToken,
    add_token,
    new_token,
    without_tokens,
)
from broker.stores.database import transaction
from broker.stores.incident_models import Sighting
from broker.stores.incidents import Incidents
from broker.stores.registry import MarketEntry, Named, Recipient, Registry
from broker.stores.schema import acknowledge_tokens, incidents, recipients
from contract.events import Phase
from runtime.clock import ManualClock

KIM, LEE = "01012345678", "01087654321"


def enrol(engine: Engine) -> None:
    people = (Recipient("김관리", KIM), Recipient("이관리", LEE))
    Registry(engine).enrol(MarketEntry(Named("jungang", "중앙시장", "Jungang Market"), recipients=people))
    Registry(engine).enrol(MarketEntry(Named("seomun", "서문시장", "Seomun Market"), recipients=people[:1]))


def fire(engine: Engine, clock: ManualClock, market: str = "jungang", seq: int = 1) -> int:
    now = clock.unix_ms()
    seen = Sighting(
        market=market,
        device="fire-1",
        epoch="0" * 16,
        seq=seq,
        event_id=f"{seq:032x}",
        name="fire",
        phase=Phase.RAISED,
        time_unix_ms=now,
        zone="b",
        kind="fire",
        severity="fire",
        subject="cam-1",
    )
    (change,) = Incidents(engine, clock).record([seen], lambda _change: ())
    assert change.incident is not None
    return change.incident.incident_id


def link(engine: Engine, clock: ManualClock, incident_id: int, recipient: str = KIM, market: str = "jungang") -> str:
    token, sha256 = new_token()
    made = LinkToken(f"https://alrt.kr/a/{token}", sha256, clock.unix_ms() + LIFE_S * MS_PER_S)
    with transaction(engine) as connection:
        add_token(
            connection,
            made,
            incident_id=incident_id,
            market=market,
            recipient_name="김관리" if recipient == KIM else "이관리",
            recipient=recipient,
            now_unix_ms=clock.unix_ms(),
        )
    return token


def test_a_token_has_72_random_bits_and_only_its_hash_is_stored(engine: Engine, clock: ManualClock) -> None:
    enrol(engine)
    token = link(engine, clock, fire(engine, clock))
    assert re.fullmatch(r"[A-Za-z0-9_-]{12}", token)
    with engine.connect() as connection:
        (row,) = connection.execute(select(acknowledge_tokens)).all()
    assert token not in str(row)
    assert len({new_token()[0] for _ in range(1000)}) == 1000


def test_a_link_counts_once_and_takes_the_recipient_s_others_with_it(engine: Engine, clock: ManualClock) -> None:
    enrol(engine)
    tokens, burning = AcknowledgeTokens(engine, clock), fire(engine, clock)
    first, second = link(engine, clock, burning), link(engine, clock, burning)
    other = link(engine, clock, burning, LEE)
    found = tokens.find(first)
    assert found is not None
    assert (found.incident_id, found.market, found.recipient_name, found.recipient) == (
        burning,
        "jungang",
        "김관리",
        KIM,
    )
    assert tokens.use_up(found)
    assert not tokens.use_up(found)
    assert (tokens.find(first), tokens.find(second)) == (None, None)
    assert tokens.find(other) is not None


def test_used_by_many_at_once_it_is_used_once(engine: Engine, clock: ManualClock) -> None:
    enrol(engine)
    tokens = AcknowledgeTokens(engine, clock)
    found = tokens.find(link(engine, clock, fire(engine, clock)))
    assert found is not None
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: tokens.use_up(found), range(16))) == 1


def test_after_a_day_it_counts_no_more(engine: Engine, clock: ManualClock) -> None:
    enrol(engine)
    token = link(engine, clock, fire(engine, clock))
    clock.advance(LIFE_S - 1)
    assert AcknowledgeTokens(engine, clock).find(token) is not None
    clock.advance(1)
    assert AcknowledgeTokens(engine, clock).find(token) is None


def test_whoever_left_the_roster_has_no_link_any_more(engine: Engine, clock: ManualClock) -> None:
    enrol(engine)
    token = link(engine, clock, fire(engine, clock), LEE)
    assert AcknowledgeTokens(engine, clock).find(token) is not None
    with transaction(engine) as connection:
        connection.execute(delete(recipients).where(recipients.c.market == "jungang", recipients.c.phone == LEE))
    assert AcknowledgeTokens(engine, clock).find(token) is None


def test_a_link_of_one_market_is_none_for_an_incident_of_another(engine: Engine, clock: ManualClock) -> None:
    enrol(engine)
    token = link(engine, clock, fire(engine, clock))
    elsewhere = fire(engine, clock, "seomun", seq=2)
    with transaction(engine) as connection:
        connection.execute(update(acknowledge_tokens).values(incident_id=elsewhere))
    assert AcknowledgeTokens(engine, clock).find(token) is None
    with transaction(engine) as connection:
        connection.execute(update(incidents).where(incidents.c.incident_id == elsewhere).values(market="jungang"))
    assert AcknowledgeTokens(engine, clock).find(token) is not None


@pytest.mark.parametrize(
    "token", ["", "short", "x" * 12, "x" * 13, "가" * 12, "a/../b/../c/", "' OR 1=1 --", "x" * 11 + "\0"]
)
def test_what_was_never_made_is_nothing(engine: Engine, clock: ManualClock, token: str) -> None:
    enrol(engine)
    link(engine, clock, fire(engine, clock))
    assert AcknowledgeTokens(engine, clock).find(token) is None


def test_a_text_is_shown_without_what_opens_its_link() -> None:
    text = "[화재] 중앙시장 B구역 14:32 K7Q2 https://alrt.kr/a/9fK2xQ7b-_aB"
    assert without_tokens(text) == "[화재] 중앙시장 B구역 14:32 K7Q2 https://alrt.kr/a/…"
    assert without_tokens("https://alrt.kr/about 9fK2xQ7b-_aB") == "https://alrt.kr/about 9fK2xQ7b-_aB"
