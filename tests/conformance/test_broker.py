"""What Jangteo needs of an MQTT 5 broker. `scripts/test --broker HOST:PORT` holds any broker against it."""

import pytest

from contract.catalog import BROKER_BYTES_MAX
from contract.delivery import Delivered
from contract.presence import Presence
from contract.telemetry import BayBatch
from tests.conformance.client import ConnectionGoneError, RawClient
from tests.conformance.target import Target
from tests.eventually import eventually
from transport.packet_fields import Property
from transport.packets import Publish, WillMessage

pytestmark = pytest.mark.server

LONG_S = 600
QUEUED = 10_000
NO_RULES = "the broker has no user of one device (give --broker-device MARKET.DEVICE:FILE)"


def bodies(count: int, first: int = 1) -> list[bytes]:
    return [f"message {number}".encode() for number in range(first, first + count)]


def persistent(target: Target, client_id: str | None = None, **how: bool | int) -> RawClient:
    """A consumer as ingest is one: its session outlives its connection."""
    return target.ingest(client_id=client_id, clean_start=False, expiry_s=LONG_S, **how)


def absent_consumer(target: Target) -> str:
    """The client id of a consumer that has subscribed to telemetry and gone."""
    with persistent(target) as consumer:
        assert not consumer.subscribe(target.topic(BayBatch)).refused
        return consumer.client_id


def forget(target: Target, client_id: str) -> None:
    """End a session for good."""
    target.ingest(client_id=client_id, clean_start=True, expiry_s=0).close()


def test_what_is_published_while_a_consumer_is_away_waits_for_it_in_order(target: Target) -> None:
    name, sent = absent_consumer(target), bodies(200)
    with target.edge() as edge:
        edge.publish_all(target.topic(BayBatch), sent)
    with persistent(target, name) as consumer:
        assert consumer.connack.session_present
        assert [one.body for one in consumer.take(len(sent))] == sent
    forget(target, name)


def test_what_was_not_acknowledged_comes_again_and_nothing_else(target: Target) -> None:
    again, sent = _second_delivery(target, count=6, acknowledged=3)
    assert [one.body for one in again] == sent[3:]


def test_what_comes_again_is_marked_as_duplicate(target: Target) -> None:
    again, _ = _second_delivery(target, count=2, acknowledged=0)
    assert [one.duplicate for one in again] == [True, True]


def _second_delivery(target: Target, count: int, acknowledged: int) -> tuple[list[Publish], list[bytes]]:
    """Receive `count`, acknowledge the first few, break the connection: what the next one gets, and what was sent."""
    name, sent = absent_consumer(target), bodies(count)
    consumer = persistent(target, name, acknowledges=False)
    with target.edge() as edge:
        edge.publish_all(target.topic(BayBatch), sent)
    first = consumer.take(count)
    assert not any(one.duplicate for one in first)
    for one in first[:acknowledged]:
        consumer.acknowledge(one)
    consumer.fence()
    consumer.cut()
    with persistent(target, name) as returned:
        again = returned.take(count - acknowledged)
        returned.fence()
        again += returned.messages
    forget(target, name)
    return again, sent


def test_a_retained_message_reaches_who_comes_later_and_can_be_deleted(target: Target) -> None:
    topic = target.topic(Presence)
    with target.edge() as edge:
        edge.publish(topic, b"first", retain=True)
        edge.publish(topic, b"second", retain=True)
        with target.console() as late:
            late.subscribe(topic)
            found = late.take(1)[0]
            assert (found.body, found.retain) == (b"second", True)
            edge.publish(topic, b"third", retain=True)
            assert not late.take(1)[0].retain, "for who is there already it is a message like any other"
        edge.publish(topic, b"", retain=True)
    with target.console() as later:
        later.subscribe(topic)
        later.fence()
        assert not later.messages


def test_the_will_is_said_after_a_cut(target: Target) -> None:
    topic = target.topic(Presence)
    with target.console() as watching:
        watching.subscribe(topic)
        target.edge(will=_will(topic)).cut()
        assert watching.take(1)[0].body == b"offline"
        with target.console() as late:
            late.subscribe(topic)
            assert late.take(1)[0].retain, "the will stays as the state"
    _clear(target, topic)


def test_no_will_is_said_after_a_clean_end(target: Target) -> None:
    topic = target.topic(Presence)
    with target.console() as watching, target.edge() as other:
        watching.subscribe(topic)
        target.edge(will=_will(topic)).close()
        other.publish(topic, b"a sign")
        watching.fence()
        assert [one.body for one in watching.take(1)] == [b"a sign"]
        assert not watching.messages


def test_who_is_silent_for_longer_than_the_keep_alive_is_dead(target: Target) -> None:
    topic = target.topic(Presence)
    with target.console() as watching:
        watching.subscribe(topic)
        silent = target.edge(will=_will(topic), keep_alive_s=1)
        if silent.connack.properties.get(Property.SERVER_KEEP_ALIVE_S, 1) > 8:
            pytest.skip("the broker overrules the keep-alive: no device would be known as dead in time")
        assert watching.take(1, within_s=10)[0].body == b"offline"
        silent.until(lambda: silent.ended, "end")
    _clear(target, topic)


def test_a_session_that_was_not_to_stay_is_gone(target: Target) -> None:
    with target.ingest(clean_start=False, expiry_s=0) as consumer:
        consumer.subscribe(target.topic(BayBatch))
    with target.ingest(client_id=consumer.client_id, clean_start=False) as again:
        assert not again.connack.session_present


def test_a_session_expires_when_it_said_it_would(target: Target) -> None:
    """Asking a session whether it is there keeps it there: so there are many, and each is asked once."""
    names = []
    for _ in range(12):
        with target.ingest(clean_start=False, expiry_s=1) as consumer:
            consumer.subscribe(target.topic(BayBatch))
            names.append(consumer.client_id)

    def present() -> bool:
        with target.ingest(client_id=names.pop(), clean_start=False, expiry_s=0) as again:
            return again.connack.session_present

    assert present(), "not before its time"
    eventually(lambda: not present(), within_s=5, every_s=0.5, what="an expired session")


def test_a_clean_start_forgets_the_session(target: Target) -> None:
    name = absent_consumer(target)
    with target.edge() as edge:
        edge.publish(target.topic(BayBatch), b"for nobody")
    with target.ingest(client_id=name, clean_start=True, expiry_s=0) as consumer:
        assert not consumer.connack.session_present
        consumer.fence()
        assert not consumer.messages


def test_members_of_a_group_share_fairly_and_nothing_comes_twice(target: Target) -> None:
    sent, group = bodies(400), f"$share/{target.new_id()}/{target.topic(BayBatch)}"
    with persistent(target) as one, persistent(target) as two:
        one.subscribe(group)
        two.subscribe(group)
        with target.edge() as edge:
            edge.publish_all(target.topic(BayBatch), sent)
        eventually(lambda: _fenced(one) + _fenced(two) >= len(sent), what="all of them")
        got = sorted((message.body for message in (*one.messages, *two.messages)), key=sent.index)
        assert got == sent
        assert min(len(one.messages), len(two.messages)) >= len(sent) // 5
    forget(target, one.client_id)
    forget(target, two.client_id)


def test_what_a_member_of_a_group_died_with_comes_again(target: Target) -> None:
    """To itself when it returns, or to another member: either way nothing is lost."""
    sent, group = bodies(40), f"$share/{target.new_id()}/{target.topic(BayBatch)}"
    with persistent(target) as stays:
        dies = persistent(target, acknowledges=False)
        stays.subscribe(group)
        dies.subscribe(group)
        with target.edge() as edge:
            edge.publish_all(target.topic(BayBatch), sent)
            eventually(lambda: _fenced(stays) + _fenced(dies) >= len(sent), what="all of them")
            assert dies.messages
            dies.cut()
            more = bodies(20, first=len(sent) + 1)
            edge.publish_all(target.topic(BayBatch), more)
        with persistent(target, dies.client_id) as returns:
            wanted = set(sent) | set(more)
            eventually(
                lambda: _fenced(stays) + _fenced(returns) >= 0 and _bodies(stays) | _bodies(returns) == wanted,
                what="everything, with the member that returned",
            )
    forget(target, stays.client_id)
    forget(target, dies.client_id)


def test_the_longest_message_that_we_send_gets_through(target: Target) -> None:
    with target.ingest() as consumer, target.edge() as edge:
        consumer.subscribe(target.topic(BayBatch))
        body = b"x" * BROKER_BYTES_MAX
        assert not edge.publish(target.topic(BayBatch), body).refused
        assert consumer.take(1)[0].body == body


def test_a_message_that_is_far_too_long_harms_nobody_else(target: Target) -> None:
    with target.ingest() as consumer, target.edge() as edge:
        consumer.subscribe(target.topic(BayBatch))
        bad = target.edge()
        try:
            refused = bad.publish(target.topic(BayBatch), b"x" * (4 * BROKER_BYTES_MAX)).refused
        except ConnectionGoneError:  # the other way to refuse
            refused = True
        bad.cut()
        edge.publish(target.topic(BayBatch), b"after it")
        got = consumer.take(1)[0].body
        assert refused, "what is over every bound is refused, or ingest has to hold it"
        assert got == b"after it"


def test_the_window_that_a_consumer_asks_for_holds_at_first(target: Target) -> None:
    name = absent_consumer(target)
    with target.edge() as edge:
        edge.publish_all(target.topic(BayBatch), bodies(50))
    with persistent(target, name, receive_maximum=5, acknowledges=False) as consumer:
        consumer.take(5)
        consumer.fence()
        assert not consumer.messages
    forget(target, name)


def test_the_window_that_a_consumer_asks_for_holds_after_acknowledgements(target: Target) -> None:
    name = absent_consumer(target)
    with target.edge() as edge:
        edge.publish_all(target.topic(BayBatch), bodies(50))
    with persistent(target, name, receive_maximum=5, acknowledges=False) as consumer:
        for one in consumer.take(5):
            consumer.acknowledge(one)
        consumer.fence()
        assert len(consumer.messages) == 5
    forget(target, name)


def test_ten_thousand_messages_wait_for_an_absent_consumer(target: Target) -> None:
    name, sent = absent_consumer(target), bodies(QUEUED)
    with target.edge() as edge:
        edge.publish_all(target.topic(BayBatch), sent)
    with persistent(target, name) as consumer:
        assert [one.body for one in consumer.take(QUEUED, within_s=60)] == sent
    forget(target, name)


def test_a_client_id_that_comes_again_takes_the_session_over(target: Target) -> None:
    topic = target.topic(BayBatch)
    first = persistent(target)
    first.subscribe(topic)
    with persistent(target, first.client_id) as second, target.edge() as edge:
        first.until(lambda: first.ended, "end of the connection that was taken over")
        assert second.connack.session_present
        edge.publish(topic, b"for the second")
        assert second.take(1)[0].body == b"for the second"
    forget(target, first.client_id)


def test_a_wrong_password_is_refused_for_good(target: Target) -> None:
    if target.everyone[1] is None and target.running is None:
        pytest.skip("the broker was given without a password (--broker-user NAME:FILE)")
    username = target.credentials("ingest")[0]
    with RawClient((target.host, target.port), target.new_id(), (username, "not the password")) as client:
        assert client.connack.reason in {0x86, 0x87}


def test_a_device_is_not_heard_under_another_name(target: Target) -> None:
    _needs_rules(target)
    own, forged = target.topic(BayBatch), target.topic(BayBatch, target.other)
    with target.ingest() as consumer, target.edge() as edge:
        for topic in (own, forged):
            consumer.subscribe(topic)
        answer = edge.publish(forged, b"forged")
        edge.publish(own, b"own")
        assert [one.body for one in consumer.take(1)] == [b"own"]
        consumer.fence()
        assert not consumer.messages
        assert answer.refused, "a publish that the rules refuse is said to be refused"


def test_a_device_does_not_hear_what_is_for_another(target: Target) -> None:
    _needs_rules(target)
    with target.edge() as edge, target.ingest() as ingest:
        for device in (target.device, target.other):
            edge.subscribe(target.topic(Delivered, device))
            edge.subscribe(f"market/v1/+/{device.device}/cmd/siren")
        ingest.publish(target.topic(Delivered, target.other), b"for another")
        ingest.publish(target.topic(Delivered), b"for us")
        assert [one.body for one in edge.take(1)] == [b"for us"]
        edge.fence()
        assert not edge.messages


def test_sessions_queues_and_retained_messages_survive_a_restart(target: Target) -> None:
    if target.running is None:
        pytest.skip("the suite cannot restart a broker that it has not started")
    name, sent = absent_consumer(target), bodies(300)
    presence = target.topic(Presence)
    with target.edge() as edge:
        edge.publish_all(target.topic(BayBatch), sent)
        edge.publish(presence, b"online", retain=True)
    target.running.stop()
    target.running.start()
    with target.console() as late:
        late.subscribe(presence)
        late.fence()
        found = late.messages
    with persistent(target, name) as consumer:
        assert consumer.connack.session_present
        assert [one.body for one in consumer.take(len(sent))] == sent
    assert [one.body for one in found] == [b"online"]
    _clear(target, presence)
    forget(target, name)


def _needs_rules(target: Target) -> None:
    if target.running is None and target.device_password is None:
        pytest.skip(NO_RULES)


def _will(topic: str) -> WillMessage:
    return WillMessage(topic, b"offline")


def _clear(target: Target, topic: str) -> None:
    with target.edge() as edge:
        edge.publish(topic, b"", retain=True)


def _fenced(client: RawClient) -> int:
    client.fence()
    return len(client.messages)


def _bodies(client: RawClient) -> set[bytes]:
    return {one.body for one in client.messages}
