"""The broker inside the in-memory bus: routing, retained messages, persistent sessions, wills. No threads."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from contract.catalog import PAYLOAD_BYTES_MAX
from contract.topics import TopicFilter
from transport.ports import RawMessage

QUEUED_MESSAGES_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a client hears; members of a share `group` get each message once among them."""

    topic_filter: TopicFilter
    group: str | None = None

    def matches(self, topic: str) -> bool:
        """MQTT matching (MQTT 5.0, 4.7), for topics that are not ours, too."""
        levels, wanted = topic.split("/"), str(self.topic_filter).split("/")
        return len(levels) == len(wanted) and all(
            pattern in {"+", level} for pattern, level in zip(wanted, levels, strict=True)
        )


@dataclass(slots=True)
class Client:
    """What the broker knows of a client id. `queue` waits for it; `unacknowledged` was handed over, oldest first."""

    client_id: str
    persistent: bool
    window: int
    will: tuple[str, bytes, bool] | None = None
    connected: bool = False
    wake: Callable[[], None] = lambda: None
    subscriptions: list[Subscription] = field(default_factory=list)
    queue: deque[RawMessage] = field(default_factory=deque)
    unacknowledged: OrderedDict[int, RawMessage] = field(default_factory=OrderedDict)
    next_id: int = 1


class MemoryBroker:
    """Thread-safe. A queue that is full drops its newest message, as Mosquitto does, and counts it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.up = True
        self.dropped_count = 0
        self._retained: dict[str, bytes] = {}
        self._clients: dict[str, Client] = {}
        self._turns: dict[tuple[str, str], int] = {}

    def connect(self, client: Client) -> Client:
        """Let a client in; one with the same id is thrown out first. A persistent one resumes what it had."""
        with self.lock:
            old = self._clients.get(client.client_id)
            if old is not None and old.connected:
                self.disconnect(old, clean=False)
                old = self._clients.get(client.client_id)
            if old is not None and client.persistent:
                client.queue, client.subscriptions, client.next_id = old.queue, old.subscriptions, old.next_id
            client.connected = True
            self._clients[client.client_id] = client
            if client.queue:
                client.wake()
            return client

    def disconnect(self, client: Client, *, clean: bool) -> None:
        """End a connection. Not `clean`: its will is published. What it had not acknowledged waits for its return."""
        with self.lock:
            if not client.connected:
                return
            client.connected = False
            again = [
                RawMessage(one.topic, one.body, one.retain, duplicate=True) for one in client.unacknowledged.values()
            ]
            client.unacknowledged.clear()
            client.queue.extendleft(reversed(again))
            if not client.persistent and self._clients.get(client.client_id) is client:
                del self._clients[client.client_id]
            client.wake()
            if not clean and client.will is not None:
                self.publish(*client.will)

    def find(self, client_id: str) -> Client | None:
        """The client of that id, if it has a session."""
        with self.lock:
            return self._clients.get(client_id)

    def clients(self) -> list[Client]:
        """All sessions."""
        with self.lock:
            return list(self._clients.values())

    def subscribe(self, client: Client, subscriptions: Iterable[Subscription]) -> None:
        """Add subscriptions, and send what is retained on them (not to share groups: MQTT 5.0, 4.8.2)."""
        with self.lock:
            for one in subscriptions:
                if one not in client.subscriptions:
                    client.subscriptions.append(one)
                if one.group is None:
                    for topic, body in self._retained.items():
                        if one.matches(topic):
                            self._enqueue(client, RawMessage(topic, body, retain=True))

    def publish(self, topic: str, body: bytes, retain: bool) -> None:
        """Route a message; an empty retained body forgets what was retained. Over the size bound it is dropped."""
        with self.lock:
            if len(body) > PAYLOAD_BYTES_MAX:
                self.dropped_count += 1
                return
            if retain and body:
                self._retained[topic] = body
            elif retain:
                self._retained.pop(topic, None)
            message = RawMessage(topic, body)
            shared: dict[tuple[str, str], list[Client]] = {}
            for client in self._clients.values():
                matching = [one for one in client.subscriptions if one.matches(topic)]
                for one in matching:
                    if one.group is not None:
                        shared.setdefault((one.group, str(one.topic_filter)), []).append(client)
                if any(one.group is None for one in matching):
                    self._enqueue(client, message)
            for key, members in shared.items():
                self._enqueue(self._member(key, members), message)

    def take(self, client: Client, count_max: int) -> list[tuple[int, RawMessage]]:
        """Hand over up to `count_max` messages, within the window, each under an id to acknowledge."""
        with self.lock:
            taken: list[tuple[int, RawMessage]] = []
            while client.connected and client.queue and len(taken) < count_max:
                if len(client.unacknowledged) >= client.window:
                    break
                message = client.queue.popleft()
                client.unacknowledged[client.next_id] = message
                taken.append((client.next_id, message))
                client.next_id += 1
            return taken

    def acknowledge(self, client: Client, ids: Iterable[int]) -> None:
        """These are done. Ids of an earlier connection mean nothing any more."""
        with self.lock:
            for one in ids:
                client.unacknowledged.pop(one, None)

    def _member(self, key: tuple[str, str], members: list[Client]) -> Client:
        present = [one for one in members if one.connected] or members
        turn = self._turns.get(key, 0)
        self._turns[key] = turn + 1
        return present[turn % len(present)]

    def _enqueue(self, client: Client, message: RawMessage) -> None:
        if not client.connected and not client.persistent:
            return
        if len(client.queue) >= QUEUED_MESSAGES_MAX:
            self.dropped_count += 1
            return
        client.queue.append(message)
        if client.connected:
            client.wake()
