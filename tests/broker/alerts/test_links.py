"""Links: one for each incident and recipient, short, and only over https."""

from dataclasses import replace

import pytest
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Engine

from broker.alerts.links import PUBLIC_URL_LENGTH_MAX, Links, PublicUrl
from broker.stores.acknowledge_tokens import LIFE_S, MS_PER_S, digest
from broker.stores.incident_models import Incident
from broker.stores.incidents import Incidents
from broker.stores.registry import Recipient
from runtime.clock import ManualClock
from tests.broker.alerts.central import sighting

KIM, LEE = Recipient("김관리", "01011110001"), Recipient("이관리", "01011110002")
URL = "https://alrt.kr"


@pytest.fixture
def incident(engine: Engine, clock: ManualClock) -> Incident:
    (change,) = Incidents(engine, clock).record([sighting()], lambda _change: ())
    assert change.incident is not None
    return change.incident


def test_a_recipient_gets_one_link_for_an_incident_whatever_is_sent_how_often(
    incident: Incident, clock: ManualClock
) -> None:
    links = Links(URL, clock)
    made = links(incident, KIM)
    assert made is not None
    head, _, token = made.url.rpartition("/")
    assert (head, len(token), digest(token)) == (f"{URL}/a", 12, made.token_sha256)
    assert len(made.url) == links.length
    assert made.expires_unix_ms == clock.unix_ms() + LIFE_S * MS_PER_S
    assert links(incident, KIM) == made
    others = [links(incident, LEE), links(replace(incident, incident_id=incident.incident_id + 1), KIM)]
    assert len({one.url for one in (made, *others) if one is not None}) == 3


def test_an_old_link_and_one_for_less_are_not_sent_again(incident: Incident, clock: ManualClock) -> None:
    links = Links(URL, clock)
    made = links(incident, KIM)
    assert links(replace(incident, level="watch"), KIM) != made, "acknowledging the watch used it up"
    clock.advance(LIFE_S / 2 - 1)
    assert links(incident, KIM) == made
    clock.advance(1)
    assert links(incident, KIM) != made


def test_without_an_address_there_is_no_link(incident: Incident, clock: ManualClock) -> None:
    assert (Links(None, clock)(incident, KIM), Links(None, clock).length) == (None, 0)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("http://alrt.kr", "expected the console's https address without a path"),
        ("https://alrt.kr/console", "without a path"),
        ("https://alrt.kr?x=1", "without a path"),
        ("https://user@alrt.kr", "expected"),
        ("https://", "expected"),
        ("alrt.kr", "expected"),
        ("https://장터.kr", "expected"),
        ("https://" + "a" * 40 + ".kr", "an SMS has room for 40, use a shorter name"),
    ],
)
def test_what_cannot_stand_in_an_sms_is_refused_with_what_would_be_right(value: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TypeAdapter(PublicUrl).validate_python(value)


def test_an_address_is_kept_as_short_as_it_can_be() -> None:
    read = TypeAdapter(PublicUrl).validate_python
    assert (read("https://Alrt.KR/"), read("https://10.0.0.5:8443")) == ("https://alrt.kr", "https://10.0.0.5:8443")
    assert len(read("https://" + "a" * (PUBLIC_URL_LENGTH_MAX - 8))) == PUBLIC_URL_LENGTH_MAX
