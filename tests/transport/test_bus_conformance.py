"""What every bus must do, run on the in-memory bus, on Mosquitto and on the trial broker."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.catalog import UnknownChannelError, topic_for
from contract.delivery import Delivered
from contract.events import FireEvent
from contract.payload import Payload
from contract.presence import Presence
from contract.telemetry import Batch, BayBatch
from contract.topics import Topic, TopicFilter
from tests.eventually import eventually, eventually_async
from tests.transport.buses import CONSOLE, EDGE, OTHER_EDGE, TELEMETRY, Bus, Recorder, consuming, open_bus, running
from tests.transport.payloads import BAYS, EPOCH, FIRE, PRESENCE, bays, fire, presence
from transport.encoding import PayloadTooLargeError
from transport.ports import BusSettingsError, ConsumerSettings, NotConnectedError, Session, Will

pytestmark = pytest.mark.server


@pytest.fixture(params=["memory", "mosquitto", "trial"])
def bus(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bus]:
    with open_bus(request.param, tmp_path / "broker") as opened:
        yield opened


both_clients = pytest.mark.parametrize(
    "bus", ["memory", "mosquitto", "mosquitto-paho", "trial", "trial-paho"], indirect=True
)
"""For what is a consumer's: its two clients on each broker."""


class Inbox:
    """A handler that keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[Topic, Payload]] = []

    async def __call__(self, topic: Topic, payload: Payload) -> None:
        self.got.append((topic, payload))

    @property
    def payloads(self) -> list[Payload]:
        return [payload for _, payload in self.got]


def seqs_of(recorder: Recorder) -> list[int]:
    return [BayBatch.from_bytes(message.body).seq for message in recorder.messages]


async def publish_many(session: Session, first: int, count: int) -> None:
    for seq in range(first, first + count):
        await session.publish(BAYS, bays(seq=seq))


async def test_a_typed_payload_arrives_as_it_was_sent(bus: Bus) -> None:
    edge, console, inbox, fires = bus.session(EDGE), bus.session(CONSOLE), Inbox(), Inbox()
    console.subscribe(TopicFilter(channel="telemetry"), Batch, inbox)
    console.subscribe(TopicFilter(channel="event", name="fire"), FireEvent, fires)
    async with running(console, edge):
        await edge.publish(BAYS, bays())
        await edge.publish(FIRE, fire())
        await eventually_async(lambda: inbox.got and fires.got)
    assert inbox.got == [(BAYS, bays())]
    assert fires.got == [(FIRE, fire())]


async def test_overlapping_subscriptions_hear_each_message_once(bus: Bus) -> None:
    edge, console, wide, narrow = bus.session(EDGE), bus.session(CONSOLE), Inbox(), Inbox()
    console.subscribe(TopicFilter(channel="telemetry", name="bays"), BayBatch, narrow)
    console.subscribe(TopicFilter(channel="telemetry"), Batch, wide)
    async with running(console, edge):
        await publish_many(edge, 1, 3)
        await eventually_async(lambda: len(wide.got) >= 3 and len(narrow.got) >= 3)
    assert wide.got == narrow.got == [(BAYS, bays(seq=seq)) for seq in (1, 2, 3)]


async def test_what_does_not_belong_on_a_topic_is_refused(bus: Bus) -> None:
    edge = bus.session(EDGE)
    with pytest.raises(NotConnectedError):
        await edge.publish(BAYS, bays())
    with pytest.raises(UnknownChannelError, match="carries BayBatch, not FireEvent"):
        await edge.publish(BAYS, fire())
    with pytest.raises(UnknownChannelError, match="carries FireEvent, not BayBatch"):
        edge.subscribe(TopicFilter(channel="event", name="fire"), BayBatch, Inbox())
    huge = presence("online").model_copy(update={"agent_version": "x" * 20_000})
    with pytest.raises(PayloadTooLargeError, match="over the 16384"):
        await edge.publish(PRESENCE, huge)


async def test_retained_state_reaches_who_comes_later(bus: Bus) -> None:
    edge, inbox = bus.session(EDGE), Inbox()
    async with running(edge):
        await edge.publish(PRESENCE, presence("online"))
        await edge.publish(BAYS, bays())
        console = bus.session(CONSOLE)
        console.subscribe(TopicFilter(), Payload, inbox)
        async with running(console):
            await eventually_async(lambda: inbox.got)
            await edge.publish(FIRE, fire())
            await eventually_async(lambda: (FIRE, fire()) in inbox.got)
    assert inbox.payloads == [presence("online"), fire()], "telemetry is not retained"


async def test_a_subscription_made_while_connected_is_heard(bus: Bus) -> None:
    edge, console, inbox = bus.session(EDGE), bus.session(CONSOLE), Inbox()
    async with running(console, edge):
        await edge.publish(PRESENCE, presence("online"))
        console.subscribe(TopicFilter(channel="status", name="presence"), Presence, inbox)
        await eventually_async(lambda: inbox.payloads == [presence("online")])


async def test_the_will_speaks_when_a_session_dies_and_only_then(bus: Bus) -> None:
    edge, console, inbox = bus.session(EDGE, Will(PRESENCE, presence("offline"))), bus.session(CONSOLE), Inbox()
    other = bus.session(OTHER_EDGE, Will(topic_for("jungang", "edge-2", Presence), presence("offline")))
    console.subscribe(TopicFilter(channel="status", name="presence"), Presence, inbox)

    async def birth() -> None:
        await edge.publish(PRESENCE, presence("online"))

    edge.on_connect(birth)
    async with running(console), running(edge):
        await eventually_async(lambda: inbox.payloads == [presence("online")])
        async with running(other):
            pass
        bus.drop(edge)
        await eventually_async(lambda: len(inbox.got) >= 3, what="death and rebirth")
    assert inbox.payloads[:3] == [presence("online"), presence("offline"), presence("online")]
    assert {topic.device for topic, _ in inbox.got} == {"edge-1"}, "a clean end leaves no will"


async def test_sessions_come_back_and_subscribe_again(bus: Bus) -> None:
    edge, console, inbox = bus.session(EDGE), bus.session(CONSOLE), Inbox()
    console.subscribe(TopicFilter(channel="telemetry", name="bays"), BayBatch, inbox)
    births = []

    async def birth() -> None:
        births.append(True)
        await console.publish(
            topic_for("jungang", "edge-1", Delivered), Delivered(epoch=EPOCH, seqs=(1,), store="readings")
        )

    edge.on_connect(birth)
    async with running(console, edge):
        await edge.publish(BAYS, bays(seq=1))
        await eventually_async(lambda: len(inbox.got) == 1)
        await asyncio.to_thread(bus.go_down)
        await eventually_async(lambda: not edge.connected and not console.connected)
        with pytest.raises(NotConnectedError):
            await edge.publish(BAYS, bays(seq=2))
        await asyncio.to_thread(bus.come_up)
        await eventually_async(lambda: edge.connected and console.connected)
        await eventually_async(lambda: len(births) >= 2, what="on_connect after every connection")
        await edge.publish(BAYS, bays(seq=3))
        await eventually_async(lambda: bays(seq=3) in inbox.payloads)


async def test_what_does_not_parse_is_counted_and_not_handed_over(bus: Bus) -> None:
    edge, console, inbox = bus.session(EDGE), bus.session(CONSOLE), Inbox()
    console.subscribe(TopicFilter(channel="telemetry"), Batch, inbox)
    async with running(console, edge):
        for body in (b"", b"{", b'{"epoch": 1}', b"\xff\xfe", b"[]"):
            await asyncio.to_thread(bus.publish_raw, str(BAYS), body)
        await edge.publish(BAYS, bays())
        await eventually_async(lambda: inbox.got)
        await eventually_async(lambda: console.rejected_count == 5)
    assert inbox.payloads == [bays()]


async def test_a_failing_handler_neither_ends_the_session_nor_the_others(bus: Bus) -> None:
    edge, console, inbox = bus.session(EDGE), bus.session(CONSOLE), Inbox()
    calls = []

    async def broken(_topic: Topic, payload: BayBatch) -> None:
        calls.append(payload.seq)
        raise ValueError("a defect")

    console.subscribe(TopicFilter(channel="telemetry", name="bays"), BayBatch, broken)
    console.subscribe(TopicFilter(channel="telemetry", name="bays"), BayBatch, inbox)
    async with running(console, edge):
        await publish_many(edge, 1, 2)
        await eventually_async(lambda: len(inbox.got) == 2 and calls == [1, 2])
        assert console.connected


async def test_a_slow_handler_delays_only_its_own_subscription(bus: Bus) -> None:
    edge, console, fires = bus.session(EDGE), bus.session(CONSOLE), Inbox()
    held, seen = asyncio.Event(), []

    async def slow(_topic: Topic, payload: BayBatch) -> None:
        await held.wait()
        seen.append(payload.seq)

    console.subscribe(TopicFilter(channel="telemetry", name="bays"), BayBatch, slow)
    console.subscribe(TopicFilter(channel="event", name="fire"), FireEvent, fires)
    async with running(console, edge):
        await publish_many(edge, 1, 3)
        await edge.publish(FIRE, fire())
        await eventually_async(lambda: fires.got, what="a fire past a slow handler")
        assert not seen
        held.set()
        await eventually_async(lambda: seen == [1, 2, 3], what="in order")


@both_clients
async def test_many_publishes_at_once(bus: Bus) -> None:
    edge, recorder = bus.session(EDGE), Recorder()
    with consuming(bus.consumer("ingest", TELEMETRY, recorder)):
        async with running(edge):
            await asyncio.gather(*(edge.publish(BAYS, bays(seq=seq)) for seq in range(1, 201)))
            await eventually_async(lambda: len(recorder.messages) >= 200)
    assert sorted(seqs_of(recorder)) == list(range(1, 201))


@both_clients
async def test_a_consumer_gets_batches_in_order(bus: Bus) -> None:
    edge, recorder = bus.session(EDGE), Recorder()
    with consuming(bus.consumer("ingest", TELEMETRY, recorder)):
        async with running(edge):
            await publish_many(edge, 1, 120)
            await eventually_async(lambda: len(recorder.messages) >= 120)
    assert seqs_of(recorder) == list(range(1, 121))
    assert max(recorder.batches) <= 50
    assert recorder.messages[0].topic == str(BAYS)


@both_clients
async def test_while_a_consumer_is_away_its_messages_wait(bus: Bus) -> None:
    edge, recorder = bus.session(EDGE), Recorder()
    with consuming(bus.consumer("ingest", TELEMETRY, recorder)):
        pass
    async with running(edge):
        await publish_many(edge, 1, 300)
    with consuming(bus.consumer("ingest", TELEMETRY, recorder)):
        await eventually_async(lambda: len(recorder.messages) >= 300)
    assert seqs_of(recorder) == list(range(1, 301))


@both_clients
async def test_a_retryable_error_holds_the_batch_and_calls_again(bus: Bus) -> None:
    edge, recorder = bus.session(EDGE), Recorder(fail_first=3)
    with consuming(bus.consumer("ingest", TELEMETRY, recorder)):
        async with running(edge):
            await publish_many(edge, 1, 5)
            await eventually_async(lambda: len(recorder.messages) >= 5)
    assert recorder.failures == 3
    assert seqs_of(recorder) == [1, 2, 3, 4, 5]


@both_clients
async def test_what_a_handler_did_not_commit_comes_again(bus: Bus) -> None:
    """A defect ends the consumer; its successor under the same id gets the same messages."""
    edge, broken, recorder = bus.session(EDGE), Recorder(fail_first=1, error=KeyError), Recorder()
    consumer, ended = bus.consumer("ingest", TELEMETRY, broken), []

    def run() -> None:
        try:
            consumer.run(threading.Event())
        except KeyError as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    await eventually_async(lambda: consumer.connected)
    async with running(edge):
        await publish_many(edge, 1, 3)
        await asyncio.to_thread(thread.join, 10)
    assert len(ended) == 1
    with consuming(bus.consumer("ingest", TELEMETRY, recorder)):
        await eventually_async(lambda: len(set(seqs_of(recorder))) == 3)
    assert seqs_of(recorder) == [1, 2, 3]


@both_clients
async def test_a_link_that_breaks_while_the_handler_works_redelivers(bus: Bus) -> None:
    edge, entered, leave = bus.session(EDGE), threading.Event(), threading.Event()
    recorder = Recorder()

    def handler(messages: list) -> None:  # type: ignore[type-arg] # the recorder's argument
        entered.set()
        leave.wait(10)
        recorder(messages)

    consumer = bus.consumer("ingest", TELEMETRY, handler)  # type: ignore[arg-type] # a list is what it gets
    with consuming(consumer):
        async with running(edge):
            await publish_many(edge, 1, 2)
            await eventually_async(entered.is_set)
            await publish_many(edge, 3, 2)
            bus.drop(consumer)
            await eventually_async(lambda: not consumer.connected)
            leave.set()
            await eventually_async(lambda: set(seqs_of(recorder)) == {1, 2, 3, 4})
            await publish_many(edge, 5, 1)
            await eventually_async(lambda: seqs_of(recorder)[-1] == 5)
    seqs = seqs_of(recorder)
    assert sorted(set(seqs)) == [1, 2, 3, 4, 5]
    assert seqs.count(5) == 1, "no acknowledgement under an old connection's number"


@both_clients
async def test_receipts_reach_the_device(bus: Bus) -> None:
    edge, inbox = bus.session(EDGE), Inbox()
    edge.subscribe(TopicFilter("jungang", "edge-1", "ack", "delivered"), Delivered, inbox)
    receipt = Delivered(epoch=EPOCH, seqs=(1,), store="readings")

    def handler(_messages: object) -> None:
        consumer.publisher.publish(topic_for("jungang", "edge-1", Delivered), receipt)

    consumer = bus.consumer("ingest", TELEMETRY, handler)
    consumer.publisher.publish(topic_for("jungang", "edge-1", Delivered), receipt)  # no link: dropped, no error
    with consuming(consumer):
        async with running(edge):
            await edge.publish(BAYS, bays())
            await eventually_async(lambda: inbox.payloads == [receipt])


@both_clients
async def test_two_workers_share_the_work(bus: Bus) -> None:
    edge, one, two = bus.session(EDGE), Recorder(), Recorder()
    shared = ConsumerSettings(filters=TELEMETRY.filters, linger_s=0.01, share_group="ingest")
    with consuming(bus.consumer("ingest-1", shared, one)), consuming(bus.consumer("ingest-2", shared, two)):
        async with running(edge):
            await publish_many(edge, 1, 40)
            await eventually_async(lambda: len(one.messages) + len(two.messages) >= 40)
    assert sorted(seqs_of(one) + seqs_of(two)) == list(range(1, 41))
    assert one.messages
    assert two.messages


@both_clients
async def test_an_oversized_body_is_handed_over_cut(bus: Bus) -> None:
    recorder = Recorder()
    settings = ConsumerSettings(filters=TELEMETRY.filters, body_bytes_max=100)
    with consuming(bus.consumer("ingest", settings, recorder)):
        await asyncio.to_thread(bus.publish_raw, str(BAYS), b"x" * 5000)
        await eventually_async(lambda: recorder.messages)
    assert recorder.messages[0].body == b"x" * 101


@both_clients
async def test_a_consumer_outlives_the_broker(bus: Bus) -> None:
    edge, recorder = bus.session(EDGE), Recorder()
    consumer = bus.consumer("ingest", TELEMETRY, recorder)
    with consuming(consumer):
        await asyncio.to_thread(bus.go_down)
        await eventually_async(lambda: not consumer.connected)
        await asyncio.to_thread(bus.come_up)
        await eventually_async(lambda: consumer.connected)
        async with running(edge):
            await edge.publish(BAYS, bays(seq=9))
            await eventually_async(lambda: seqs_of(recorder) == [9])


@both_clients
def test_bounds_that_do_not_fit_are_refused(bus: Bus) -> None:
    with pytest.raises(BusSettingsError, match="would hear nothing"):
        bus.consumer("ingest", ConsumerSettings(filters=()), Recorder())
    with pytest.raises(BusSettingsError, match="larger than the window"):
        bus.consumer(
            "ingest",
            ConsumerSettings(filters=TELEMETRY.filters, batch_messages_max=10, unacknowledged_max=9),
            Recorder(),
        )


@both_clients
async def test_a_slow_consumer_loses_nothing_and_holds_no_more_than_its_bound(bus: Bus) -> None:
    edge, recorder, gate = bus.session(EDGE), Recorder(), threading.Event()
    small = ConsumerSettings(filters=TELEMETRY.filters, batch_messages_max=10, unacknowledged_max=20, linger_s=0.005)

    def handler(messages: list) -> None:  # type: ignore[type-arg] # the recorder's argument
        gate.wait(10)
        recorder(messages)

    with consuming(bus.consumer("ingest", small, handler)):  # type: ignore[arg-type] # a list is what it gets
        async with running(edge):
            await publish_many(edge, 1, 500)
            gate.set()
            await eventually_async(lambda: len(recorder.messages) >= 500)
    eventually(lambda: seqs_of(recorder) == list(range(1, 501)))
