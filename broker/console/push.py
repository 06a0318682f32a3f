"""Pushing signage: a market's notices become a signed manifest for each device with screens, kept and said again."""

import asyncio
from collections.abc import Mapping, Sequence

from broker.console.directory import Directory, MarketListing
from broker.console.live import LiveState
from broker.console.manifest import build_manifest
from broker.console.problems import ExplainedError
from broker.console.retained import RetainedSender
from broker.console.state import signage_report
from broker.stores.notices import Notices
from broker.stores.registry import Named
from broker.stores.signage import Issued, Signage
from contract.access import DeviceIdentity
from contract.catalog import STATE_BYTES_MAX
from contract.signage import Manifest, Name, SignedManifest
from contract.signature import Signer
from runtime.clock import Clock
from runtime.errors import FatalError
from transport.ports import Session

MANIFEST_CHARACTERS_MAX = 200_000


class TooMuchSignageError(ExplainedError, FatalError):
    """The market's notices do not fit into one manifest."""


class SignagePush:
    """Issues manifests and publishes them retained. One push at a time, so that generations leave in order."""

    def __init__(  # noqa: PLR0913 — a composition root's child: each argument is a part of its own
        self,
        directory: Directory,
        notices: Notices,
        signage: Signage,
        signer: Signer,
        session: Session,
        live: LiveState,
        *,
        clock: Clock,
        utc_offset_minutes: int,
    ) -> None:
        self._directory = directory
        self._notices = notices
        self._signage = signage
        self._signer = signer
        self._live = live
        self._clock = clock
        self._utc_offset_minutes = utc_offset_minutes
        self._one_at_a_time = asyncio.Lock()
        self._sender = RetainedSender[SignedManifest](session, "signage")

    def wanted(self) -> Mapping[DeviceIdentity, int]:
        """The newest generation of each device."""
        return self._sender.wanted()

    async def push(self, market: str) -> tuple[Issued[SignedManifest], ...]:
        """Issue and publish a new generation for every device of the market that has screens.

        Raises:
            TooMuchSignageError: nothing was issued.
            broker.console.directory.UnknownMarketError: there is no such market.
        """
        async with self._one_at_a_time:
            issued = await asyncio.to_thread(self._issue_market, market)
            for one in issued:
                await self._sender.send(one)
        return issued

    def waiting(self, issued: Sequence[Issued[SignedManifest]]) -> tuple[str, ...]:
        """Which of these devices' manifests wait for the link to the broker."""
        return self._sender.waiting(issued)

    async def say_all(self) -> None:
        """Issue what is missing, signed with another key or names places as they were, then publish all."""
        async with self._one_at_a_time:
            for one in await asyncio.to_thread(self._complete, rename=True):
                await self._sender.send(one)

    async def complete(self) -> None:
        """Issue and publish for devices that have no manifest yet, and what could not be sent before."""
        async with self._one_at_a_time:
            fresh = [one for one in await asyncio.to_thread(self._complete) if self._sender.is_new(one)]
            for one in fresh:
                await self._sender.send(one)
            await self._sender.send_unsent()

    def _complete(self, *, rename: bool = False) -> list[Issued[SignedManifest]]:
        stored = {one.identity: one for one in self._signage.all()}
        found = []
        for listing in self._directory.markets():
            for identity in listing.screen_devices():
                one = stored.get(identity)
                if one is None or one.signed.key_id != self._signer.key_id or (rename and _renamed(one, listing)):
                    one = self._issue(listing, identity)
                found.append(one)
        return found

    def _issue_market(self, market: str) -> tuple[Issued[SignedManifest], ...]:
        listing = self._directory.market(market)
        return tuple(self._issue(listing, identity) for identity in listing.screen_devices())

    def _issue(self, listing: MarketListing, identity: DeviceIdentity) -> Issued[SignedManifest]:
        record = listing.record(identity.device)
        report = None if record is None else signage_report(record, self._live)
        seen = 0 if report is None else max(report.generation, report.wanted_generation)
        return self._signage.issue(
            identity,
            lambda generation: self._sign(listing, identity, generation),
            issued_unix_ms=self._clock.unix_ms(),
            generation_min=seen + 1,
        )

    def _sign(self, listing: MarketListing, identity: DeviceIdentity, generation: int) -> SignedManifest:
        manifest = build_manifest(
            identity,
            generation,
            self._notices.current(identity.market),
            shows_occupancy=bool(listing.of_kind("bays")),
            now_unix_ms=self._clock.unix_ms(),
            utc_offset_minutes=self._utc_offset_minutes,
        ).model_copy(update=_names(listing))
        too_much = TooMuchSignageError("notices_long")
        if len(manifest.model_dump_json()) > MANIFEST_CHARACTERS_MAX:
            raise too_much
        signed = self._signer.sign_manifest(manifest)
        if len(signed.to_bytes()) > STATE_BYTES_MAX:
            raise too_much
        return signed


def _names(listing: MarketListing) -> dict[str, object]:
    """What people call the places, for the screens: fields of the manifest."""
    return {
        "market_name": _name(listing.market),
        "zones": tuple(_name(one) for one in listing.zones),
        "lots": tuple(_name(one) for one in listing.lots),
    }


def _name(named: Named) -> Name:
    return Name(id=named.id, ko=named.name_ko, en=named.name_en)


def _renamed(issued: Issued[SignedManifest], listing: MarketListing) -> bool:
    manifest = Manifest.model_validate_json(issued.signed.manifest_json)
    return any(getattr(manifest, field) != value for field, value in _names(listing).items())
