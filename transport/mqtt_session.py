"""A typed session over aiomqtt: reconnects by itself, says why a publish was refused, ends cleanly."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import aiomqtt
import structlog
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import DisconnectFlags
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from contract.payload import Payload
from contract.topics import Topic, TopicFilter
from runtime.backoff import Backoff
from runtime.clock import Clock, SystemClock
from transport.dispatch import Dispatcher
from transport.encoding import encode
from transport.mqtt_connection import (
    INFLIGHT_MESSAGES_MAX,
    RECEIVE_PACKET_BYTES_MAX,
    password,
    raise_if_refused,
    tls_context,
)
from transport.ports import (
    BrokerSettings,
    BusSettingsError,
    Handler,
    NotConnectedError,
    P,
    PublishTimeoutError,
    RawMessage,
    Will,
)
from transport.reconnect import reconnect_backoff

log = structlog.get_logger(__name__)

DISCONNECT_S_MAX = 2.0
LOG_PERIOD_S = 60.0


class PublishRefusedError(PublishTimeoutError):
    """The broker has not taken the message and said why. Keep it and try again once the access rules are mended."""


class MqttSession:
    """`transport.ports.Session` on a broker, MQTT 5, clean start.

    Nothing is queued while the link is down (`publish` raises `NotConnectedError`); messages that were read wait in
    `Dispatcher`'s bounded queues.

    Raises:
        BusSettingsError: credentials or certificates cannot be used, or TLS is missing off loopback.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        will: Will | None = None,
        *,
        clock: Clock | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._settings = settings
        self._will = None if will is None else _encode_will(will)
        self._backoff = backoff or reconnect_backoff()
        self._clock: Clock = clock or SystemClock()
        self._dispatcher = Dispatcher(self._clock)
        self._callbacks: list[Callable[[], Awaitable[None]]] = []
        self._late: set[asyncio.Task[None]] = set()
        self._client: _ConfirmingClient | None = None
        self._tls = tls_context(settings)
        self._refusal_logged_s = -LOG_PERIOD_S
        self.refused_count = 0
        password(settings)

    @property
    def connected(self) -> bool:
        """Whether the broker answers right now."""
        return self._client is not None

    @property
    def rejected_count(self) -> int:
        """How many bodies did not parse since the start."""
        return self._dispatcher.rejected_count

    @property
    def dropped_count(self) -> int:
        """How many parsed messages a slow handler's full queue has dropped since the start."""
        return self._dispatcher.dropped_count

    @property
    def handler_error_count(self) -> int:
        """How many times a handler raised since the start."""
        return self._dispatcher.handler_error_count

    def subscribe(self, topic_filter: TopicFilter, model: type[P], handler: Handler[P]) -> None:
        """Hear `model` on `topic_filter`; see `transport.ports.Session.subscribe`.

        Raises:
            contract.catalog.UnknownChannelError: the filter names a channel that does not carry `model`.
        """
        self._dispatcher.add(topic_filter, model, handler)
        if self._client is not None:
            task = asyncio.ensure_future(self._subscribe_late(self._client, topic_filter))
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    def on_connect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Call after every (re)connection, once subscriptions stand."""
        self._callbacks.append(callback)

    async def publish(self, topic: Topic, payload: Payload) -> None:
        """Send and wait for the broker's confirmation; see `transport.ports.Session.publish`.

        Raises:
            NotConnectedError: no broker; nothing was sent.
            PublishTimeoutError: sent, not confirmed in time, or the link broke first.
            PublishRefusedError: the broker refused it (access rules, size).
            contract.catalog.UnknownChannelError: the payload's model does not travel on this topic.
            transport.encoding.PayloadTooLargeError: the body is over its channel's bound.
        """
        row, body = encode(topic, payload)
        client = self._client
        if client is None:
            raise NotConnectedError(f"{topic}: no connection to {self._where}")
        try:
            async with asyncio.timeout(self._settings.publish_timeout_s):
                reason = await client.send(str(topic), body, qos=row.qos, retain=row.retain)
        except TimeoutError as error:
            waited_s = self._settings.publish_timeout_s
            raise PublishTimeoutError(f"{topic}: {self._where} did not confirm within {waited_s} s") from error
        if reason is not None and reason.is_failure:
            self._note_refusal(topic, reason)
            raise PublishRefusedError(f"{topic}: {self._where} refused it: {reason}")

    async def run(self) -> None:
        """Connect, subscribe, dispatch; reconnect; end cleanly when cancelled.

        Raises:
            BusSettingsError: the broker refused us for good.
        """
        work = asyncio.create_task(self._dispatcher.run())
        try:
            while True:
                try:
                    await self._connect_once()
                except aiomqtt.MqttError as error:
                    delay_s = self._backoff.next_delay_s()
                    log.warning(
                        "session.disconnected", broker=self._where, reason=str(error), retry_s=round(delay_s, 2)
                    )
                    await asyncio.sleep(delay_s)
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work

    @property
    def _where(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    async def _connect_once(self) -> None:
        """One connection's life. Ends by `aiomqtt.MqttError`, `BusSettingsError` or cancellation."""
        client = _ConfirmingClient(self._settings, self._will, self._tls)
        try:
            await client.__aenter__()  # not `async with`: a failed entry has to be cleaned up, too
        except aiomqtt.exceptions.MqttConnectError as error:
            client.abandon()
            raise_if_refused(self._settings, error.rc)
            raise
        except BaseException:  # raised again: a cancelled connection must not leave its client behind
            client.abandon()
            raise
        try:
            await self._speak(client)
        finally:
            self._client = None
            client.timeout = DISCONNECT_S_MAX
            with contextlib.suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)
            client.abandon()

    async def _speak(self, client: "_ConfirmingClient") -> None:
        for topic_filter in self._dispatcher.filters:
            await self._subscribe(client, topic_filter)
        self._client = client
        self._backoff.reset()
        log.info("session.connected", broker=self._where, client_id=self._settings.client_id)
        listening = asyncio.create_task(self._listen(client))
        try:
            for callback in self._callbacks:
                await self._call(callback)
            await listening
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError, aiomqtt.MqttError):
                await listening

    @staticmethod
    async def _subscribe(client: aiomqtt.Client, topic_filter: TopicFilter) -> None:
        for reason in await client.subscribe(str(topic_filter), qos=1):
            if isinstance(reason, ReasonCode) and reason.is_failure:
                log.error("session.subscription_refused", filter=str(topic_filter), reason=str(reason))

    async def _subscribe_late(self, client: aiomqtt.Client, topic_filter: TopicFilter) -> None:
        with contextlib.suppress(aiomqtt.MqttError):  # the link broke: every reconnection subscribes to all
            await self._subscribe(client, topic_filter)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            body = bytes(message.payload)
            self._dispatcher.accept(RawMessage(str(message.topic), body, retain=message.retain))

    @staticmethod
    async def _call(callback: Callable[[], Awaitable[None]]) -> None:
        try:
            await callback()
        except (NotConnectedError, PublishTimeoutError) as error:
            log.warning("session.birth_not_said", reason=str(error))
        except BusSettingsError:
            raise
        except Exception:  # a defect in one part's birth must not cut the others off
            log.exception("session.callback_failed")

    def _note_refusal(self, topic: Topic, reason: ReasonCode) -> None:
        self.refused_count += 1
        now_s = self._clock.monotonic_s()
        if now_s - self._refusal_logged_s >= LOG_PERIOD_S:
            self._refusal_logged_s = now_s
            log.error("session.publish_refused", topic=str(topic), reason=str(reason), count=self.refused_count)


class _ConfirmingClient(aiomqtt.Client):
    """aiomqtt 2.5 drops the broker's reason code: this keeps it, and fails what is under way when the link breaks."""

    def __init__(self, settings: BrokerSettings, will: aiomqtt.Will | None, tls: ssl.SSLContext | None) -> None:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho leaves it untyped
        properties.MaximumPacketSize = RECEIVE_PACKET_BYTES_MAX
        super().__init__(
            settings.host,
            settings.port,
            username=settings.username,
            password=password(settings),
            identifier=settings.client_id,
            protocol=aiomqtt.ProtocolVersion.V5,
            will=will,
            timeout=settings.connect_timeout_s,
            keepalive=settings.keep_alive_s,
            clean_start=True,
            max_inflight_messages=INFLIGHT_MESSAGES_MAX,
            properties=properties,
            tls_context=tls,
        )
        self._client.connect_timeout = settings.connect_timeout_s
        self._confirmations: dict[int, asyncio.Future[ReasonCode]] = {}
        self._abandoned = False

    async def send(self, topic: str, body: bytes, *, qos: int, retain: bool) -> ReasonCode | None:
        """Publish and wait for the PUBACK's reason code.

        Raises:
            NotConnectedError: the link was down before anything was sent.
            PublishTimeoutError: the link broke before the confirmation came.
        """
        info = self._client.publish(topic, body, qos, retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise NotConnectedError(f"{topic}: {info.rc.name}")
        if qos == 0:
            return None
        confirmation: asyncio.Future[ReasonCode] = self._loop.create_future()
        self._confirmations[info.mid] = confirmation
        try:
            return await confirmation
        finally:
            self._confirmations.pop(info.mid, None)

    def abandon(self) -> None:
        """Drop whatever is left of a connection that failed half-way; harmless on one that has ended."""
        self._abandoned = True
        self._fail_confirmations()
        if self._misc_task is not None:
            self._misc_task.cancel()
        client = self._client
        socket = client.socket()
        if socket is not None:
            with contextlib.suppress(ValueError, OSError):
                self._loop.remove_reader(socket.fileno())
                self._loop.remove_writer(socket.fileno())
        client._sock_close()  # noqa: SLF001 - paho has no public way to close without a DISCONNECT that blocks
        for future in (self._connected, self._disconnected):
            if future.done() and not future.cancelled():
                future.exception()  # seen: asyncio would report it as never retrieved

    def _client_connect(self) -> None:
        """Runs in a thread that cancellation cannot reach: what it opens too late is closed at once."""
        super()._client_connect()
        if self._abandoned:
            self._client._sock_close()  # noqa: SLF001 - as in `abandon`

    def _fail_confirmations(self) -> None:
        for confirmation in self._confirmations.values():
            if not confirmation.done():
                confirmation.set_exception(PublishTimeoutError("the connection ended before the broker confirmed"))

    def _on_publish(
        self,
        client: PahoClient,
        userdata: Any,  # noqa: ANN401 - as aiomqtt declares it
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,
    ) -> None:
        confirmation = self._confirmations.get(mid)
        if confirmation is not None and not confirmation.done():
            confirmation.set_result(reason_code)
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _on_disconnect(
        self,
        client: PahoClient,
        userdata: Any,  # noqa: ANN401 - as aiomqtt declares it
        flags: DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self._fail_confirmations()
        super()._on_disconnect(client, userdata, flags, reason_code, properties)


def _encode_will(will: Will) -> aiomqtt.Will:
    row, body = encode(will.topic, will.payload)
    return aiomqtt.Will(str(will.topic), body, row.qos, row.retain)
