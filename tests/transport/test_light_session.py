"""A light session against a broker of the test's own: what goes over the wire, when, and what its owner hears."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from runtime.backoff import Backoff
from runtime.clock import ManualClock
from tests.eventually import eventually_async
from tests.transport.scripted_broker import PINGRESP, ScriptedBroker
from transport import packets
from transport.light_session import HELD_PACKETS_MAX, Address, LightSession
from transport.packet_fields import text
from transport.packets import Acknowledgement, Connect, Kind, Publish, WillMessage


class Owner:
    """Keeps what it hears, and says the same at each beginning but for the will's body."""

    def __init__(self) -> None:
        self.messages: list[Publish] = []
        self.answers: list[Acknowledgement] = []
        self.happened: list[str] = []
        self._hellos = 0

    def hello(self) -> Connect:
        self._hellos += 1
        return Connect("m.d", "user", "word", 8, will=WillMessage("status", b"life %d" % self._hellos))

    def topic_filter(self) -> str:
        return "ack/+"

    def connected(self) -> None:
        self.happened.append("connected")

    def disconnected(self) -> None:
        self.happened.append("disconnected")

    def heard(self, message: Publish) -> None:
        self.messages.append(message)

    def acknowledged(self, answer: Acknowledgement) -> None:
        self.answers.append(answer)


@asynccontextmanager
async def connected(
    broker: ScriptedBroker, clock: ManualClock, backoff: Backoff | None = None
) -> AsyncIterator[tuple[LightSession, Owner]]:
    """A session that has had its first answer."""
    async with broker.listening():
        owner = Owner()
        session = LightSession(Address("127.0.0.1", broker.port), owner, clock, backoff or Backoff(0.01, 0.02))
        task = asyncio.create_task(session.run())
        try:
            await eventually_async(lambda: session.live or session.refusal is not None, what="an answer")
            yield session, owner
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def send(session: LightSession, body: bytes = b"body") -> bool:
    return session.publish(packets.publish(text("topic"), body, next(session.packet_ids)))


async def test_it_says_who_it_is_subscribes_and_says_goodbye() -> None:
    broker = ScriptedBroker()
    async with connected(broker, ManualClock()) as (_, owner):
        assert owner.happened == ["connected"]
    assert b"life 1" in broker.of(Kind.CONNECT)[0].body
    assert b"ack/+" in broker.of(Kind.SUBSCRIBE)[0].body
    await eventually_async(lambda: broker.of(Kind.DISCONNECT), what="a goodbye")


async def test_a_message_is_acknowledged_and_heard_and_one_of_qos_0_only_heard() -> None:
    broker = ScriptedBroker()
    async with connected(broker, ManualClock()) as (_, owner):
        broker.say(packets.publish(text("ack/a"), b"none", 0, qos=0))
        broker.say(packets.publish(text("ack/a"), b"one", 77))
        await eventually_async(lambda: broker.of(Kind.PUBACK), what="a PUBACK")
        assert [one.body for one in broker.of(Kind.PUBACK)] == [b"\0\x4d"]
        assert [one.body for one in owner.messages] == [b"none", b"one"]


async def test_never_more_is_on_its_way_than_the_broker_takes() -> None:
    broker = ScriptedBroker(b"\x20\x06\0\0\x03\x21\0\x02")  # Receive Maximum 2
    async with connected(broker, ManualClock()) as (session, owner):
        assert all(send(session) for _ in range(4))
        await eventually_async(lambda: len(broker.of(Kind.PUBLISH)) == 2, what="the first two")
        broker.acknowledge()
        await eventually_async(lambda: len(broker.of(Kind.PUBLISH)) == 3, what="one more")
        broker.acknowledge(b"\x87")
        await eventually_async(lambda: len(broker.of(Kind.PUBLISH)) == 4, what="and one more")
        assert [one.refused for one in owner.answers] == [False, True]


async def test_what_is_held_is_bounded_and_without_a_link_nothing_is() -> None:
    broker = ScriptedBroker(b"\x20\x06\0\0\x03\x21\0\x01")  # Receive Maximum 1
    async with connected(broker, ManualClock()) as (session, _):
        assert all(send(session) for _ in range(1 + HELD_PACKETS_MAX))
        assert not send(session)
    assert not send(LightSession(Address("127.0.0.1", 1), Owner(), ManualClock(), Backoff()))


async def test_a_quiet_link_is_pinged_and_a_silent_one_given_up() -> None:
    broker, clock = ScriptedBroker(), ManualClock()
    async with connected(broker, clock) as (session, owner):
        session.tick(clock.monotonic_s())
        clock.advance(7)
        session.tick(clock.monotonic_s())
        await eventually_async(lambda: broker.of(Kind.PINGREQ), what="a ping")
        broker.say(PINGRESP + packets.publish(text("ack/a"), b"", 1))
        await eventually_async(lambda: broker.of(Kind.PUBACK), what="that it is read")
        clock.advance(13)
        session.tick(clock.monotonic_s())
        await eventually_async(lambda: broker.connections == 2 and session.live, what="another connection")
        assert owner.happened == ["connected", "disconnected", "connected"]
        assert b"life 2" in broker.of(Kind.CONNECT)[1].body, "a connection's will is of its own time"
        assert len(broker.of(Kind.PINGREQ)) == 1


async def test_the_brokers_keep_alive_replaces_ours() -> None:
    broker, clock = ScriptedBroker(b"\x20\x06\0\0\x03\x13\0\x02"), ManualClock()  # Server Keep Alive 2 s
    async with connected(broker, clock) as (session, _):
        clock.advance(1.6)
        session.tick(clock.monotonic_s())
        await eventually_async(lambda: broker.of(Kind.PINGREQ), what="a ping")


async def test_bytes_that_are_no_mqtt_end_the_connection_and_the_next_one_works() -> None:
    broker = ScriptedBroker()
    async with connected(broker, ManualClock()) as (session, owner):
        broker.say(b"\x30\xff\xff\xff\xff\xff")
        await eventually_async(lambda: broker.connections == 2 and session.live, what="another connection")
        broker.hang_up()
        await eventually_async(lambda: broker.connections == 3 and session.live, what="and another")
        assert owner.happened.count("disconnected") == 2


async def test_a_connection_that_stands_makes_the_next_delay_the_first_again() -> None:
    attempts = Backoff(0.01, 0.02)
    for _ in range(5):
        attempts.next_delay_s()
    async with connected(ScriptedBroker(), ManualClock(), attempts):
        await eventually_async(lambda: attempts._attempt == 0)


@pytest.mark.parametrize(
    ("broker", "words"),
    [
        (ScriptedBroker(b"\x20\x03\0\x86\0"), "user name or password is wrong"),
        (ScriptedBroker(b"\x20\x09\0\x97\x06\x1f\0\x03too"), "too"),
        (ScriptedBroker(b"\x20\x02\0\x01"), "reason code 0x01"),  # as MQTT 3.1.1 refuses
        (ScriptedBroker(granted=0x87), "this user may not hear ack/+"),
        (ScriptedBroker(b"\x20\x01\0"), "it sent a CONNACK that is cut short"),
    ],
)
async def test_a_refusal_is_kept_in_words(broker: ScriptedBroker, words: str) -> None:
    async with connected(broker, ManualClock()) as (session, owner):
        assert session.refusal == words
        assert not session.live
        assert owner.happened == []


async def test_a_port_where_nobody_listens_is_tried_again(free_port: int) -> None:
    attempts = Backoff(0.001, 0.002)
    session = LightSession(Address("127.0.0.1", free_port), Owner(), ManualClock(), attempts)
    task = asyncio.create_task(session.run())
    await eventually_async(lambda: attempts._attempt >= 5)
    assert "Connect call failed" in (session.refusal or "")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
