"""Activation: a signed manifest becomes what the screens show, all at once or not at all."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import structlog

from contract.payload import BadPayloadError
from contract.presence import SignageReport
from contract.signage import Manifest, SignedManifest
from contract.signature import BadSignatureError, Verifier
from edge.signage.pool import AssetPool, PoolFullError, sync_directory
from runtime.backoff import Backoff
from runtime.clock import Clock
from runtime.errors import RetryableError

log = structlog.get_logger(__name__)

FETCH_DELAY_S_MIN, FETCH_DELAY_S_MAX = 0.5, 60.0
REASON_LENGTH_MAX = 500


@dataclass(frozen=True, slots=True)
class _Held:
    """A verified manifest and the signed text it came in."""

    signed: SignedManifest
    manifest: Manifest


class Activation:
    """Verify, fetch all, check all, switch at once; keep the last good one; survive a restart without a network.

    Three files in `directory` hold signed manifests and are verified again when read: `wanted.json` (accepted, maybe
    still fetching), `active.json` (shown) and `previous.json` (shown before it; its files stay, to fall back on when a
    file of the active one turns out damaged). No generation below the highest accepted one is accepted, ever.
    """

    def __init__(
        self,
        directory: Path,
        *,
        verifier: Verifier,
        market: str,
        device: str,
        pool: AssetPool,
        clock: Clock,
        on_change: Callable[[], None],
    ) -> None:
        self._directory = directory
        self._verifier = verifier
        self._market = market
        self._device = device
        self._pool = pool
        self._clock = clock
        self._on_change = on_change
        self._active: _Held | None = None
        self._reason = ""
        self._rejected = False
        self._offered = asyncio.Event()
        directory.mkdir(parents=True, exist_ok=True)
        # Read before any offer can come: what was accepted before the restart is the floor of what is accepted now.
        self._stored = [held for held in (self._read("active"), self._read("previous")) if held is not None]
        self._wanted = max(
            (held for held in (self._read("wanted"), *self._stored) if held is not None),
            key=lambda held: held.manifest.generation,
            default=None,
        )

    @property
    def active(self) -> Manifest | None:
        """What the screens show; None before the first."""
        return self._active.manifest if self._active else None

    def report(self) -> SignageReport:
        """What is shown, what is wanted, and why they differ."""
        active = self._active.manifest.generation if self._active else 0
        wanted = self._wanted.manifest.generation if self._wanted else active
        return SignageReport(
            generation=active,
            state="rejected" if self._rejected else "fetching" if wanted != active else "active",
            wanted_generation=wanted,
            reason=self._reason[:REASON_LENGTH_MAX],
            time_unix_ms=self._clock.unix_ms(),
        )

    async def load(self) -> None:
        """Show again what was shown before the restart, if every file of it is still whole; fetch what is missing."""
        for held in self._stored:
            whole = await asyncio.to_thread(self._is_whole, held.manifest)
            if whole:
                self._active = held
                break
            log.error("signage.not_whole", generation=held.manifest.generation)
        self._offered.set()
        self._on_change()

    def offer(self, signed: SignedManifest) -> None:
        """Take a manifest from the console: accept it for fetching, or reject it with the reason in `report`."""
        try:
            manifest = self._verifier.manifest(signed, self._market, self._device, self._floor())
            if self._wanted is not None and manifest.generation == self._wanted.manifest.generation:
                self._same_again(signed)
                return
        except BadSignatureError as error:
            self._reject(str(error))
            return
        self._wanted, self._reason, self._rejected = _Held(signed, manifest), "", False
        self._write("wanted", signed)
        log.info("signage.accepted", generation=manifest.generation, files=len(manifest.files))
        self._offered.set()
        self._on_change()

    async def run(self, client: httpx.AsyncClient) -> None:
        """Fetch through `client` and activate what is wanted, until cancelled.

        A newer offer takes over from an unfinished one.
        """
        while True:
            await self._offered.wait()
            self._offered.clear()
            wanted = self._wanted
            if wanted is None or (self._active is not None and wanted.manifest == self._active.manifest):
                continue
            work = asyncio.create_task(self._bring(wanted, client))
            newer = asyncio.create_task(self._offered.wait())
            try:
                await asyncio.wait({work, newer}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                newer.cancel()
                if not work.done():
                    work.cancel()
                await asyncio.gather(work, newer, return_exceptions=True)
            if not work.cancelled():
                work.result()

    async def _bring(self, wanted: _Held, client: httpx.AsyncClient) -> None:
        """Fetch until all is there, then switch."""
        backoff = Backoff(FETCH_DELAY_S_MIN, FETCH_DELAY_S_MAX)
        done = await self._try(wanted, client)
        while not done:
            await asyncio.sleep(backoff.next_delay_s())
            done = await self._try(wanted, client)

    async def _try(self, wanted: _Held, client: httpx.AsyncClient) -> bool:
        """One round; whether there is nothing more to do for this manifest."""
        files = wanted.manifest.files
        try:
            await asyncio.to_thread(self._pool.make_room, files, self._in_use())
            for file in files:
                await self._pool.fetch(file, client)
            damaged = await asyncio.to_thread(lambda: [file for file in files if not self._pool.check(file)])
        except RetryableError as error:
            self._say(str(error))
            return False
        except PoolFullError as error:
            self._reject(str(error))
            return True
        if damaged:
            self._say("a file was damaged on the disk and is fetched again")
            return False
        self._switch(wanted)
        return True

    def _switch(self, wanted: _Held) -> None:
        if self._active is not None and self._active.manifest.generation != wanted.manifest.generation:
            self._write("previous", self._active.signed)
        self._write("active", wanted.signed)
        self._pool.touch(file.sha256 for file in wanted.manifest.files)
        self._active, self._reason, self._rejected = wanted, "", False
        log.info("signage.active", generation=wanted.manifest.generation)
        self._on_change()

    def _same_again(self, signed: SignedManifest) -> None:
        """The retained manifest comes at every connection; the same number with other content is a mistake."""
        if self._wanted is not None and signed.manifest_json != self._wanted.signed.manifest_json:
            self._reject(f"generation {signed.generation} was already accepted with other content: number it higher")
        elif self._rejected:
            self._reason, self._rejected = "", False
            self._on_change()

    def _is_whole(self, manifest: Manifest) -> bool:
        return all(self._pool.check(file) for file in manifest.files)

    def _in_use(self) -> set[str]:
        held = [self._active, self._read("previous")]
        return {file.sha256 for one in held if one is not None for file in one.manifest.files}

    def _floor(self) -> int:
        return max((held.manifest.generation for held in (self._active, self._wanted) if held), default=1)

    def _reject(self, reason: str) -> None:
        log.warning("signage.rejected", reason=reason)
        self._reason, self._rejected = reason, True
        self._on_change()

    def _say(self, reason: str) -> None:
        log.warning("signage.fetch_failed", reason=reason)
        if reason != self._reason:
            self._reason = reason
            self._on_change()

    def _read(self, name: str) -> _Held | None:
        """A stored manifest, verified again; None when there is none, or when it was tampered with."""
        path = self._directory / f"{name}.json"
        try:
            signed = SignedManifest.from_bytes(path.read_bytes())
            return _Held(signed, self._verifier.manifest(signed, self._market, self._device, 1))
        except FileNotFoundError:
            return None
        except (OSError, BadPayloadError, BadSignatureError) as error:
            log.warning("signage.stored_manifest_refused", manifest=name, reason=str(error))
            return None

    def _write(self, name: str, signed: SignedManifest) -> None:
        path = self._directory / f"{name}.json"
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as out:
            out.write(signed.to_bytes())
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
        sync_directory(self._directory)
