"""Faults of stores and disks: killed, locked, down, full."""

import asyncio
import sqlite3
from pathlib import Path

from benchmarks.faults.fault import Fault, let_an_hour_pass
from benchmarks.faults.house import House
from broker.series.settings import EmbeddedStoreSettings

LOCK_WAIT_S = 2.0
MID_WRITE_S = 0.3


class WriteLock(Fault):
    """Another program holds the write lock of a SQLite file: nobody else can write into it."""

    _lock: sqlite3.Connection | None = None

    @property
    def file(self) -> Path:
        """The file; the central state's unless a kind says otherwise."""
        return self.house.central_file

    async def begin(self) -> bool:
        """Take the lock."""
        lock = sqlite3.connect(self.file, timeout=LOCK_WAIT_S, isolation_level=None, check_same_thread=False)
        try:
            await asyncio.to_thread(lock.execute, "BEGIN IMMEDIATE")
        except sqlite3.OperationalError:  # the file is locked or its disk is full: broken already
            lock.close()
            return False
        self._lock = lock
        return True

    async def end(self) -> None:
        """Give it back."""
        if self._lock is not None:
            self._lock.execute("ROLLBACK")
            self._lock.close()
            self._lock = None


class StoreKilled(WriteLock):
    """kill -9 of the store. The embedded one lives in ingest: both workers are killed in the middle of a write."""

    @property
    def file(self) -> Path:
        """The embedded store's."""
        assert isinstance(self.house.store, EmbeddedStoreSettings)  # noqa: S101 - the other store has no file of ours
        return self.house.store.path

    async def begin(self) -> bool:
        """Kill it."""
        influx = self.house.influx
        if influx is not None:
            return await stop_influx(self.house)
        if not await super().begin():
            return False
        await asyncio.sleep(MID_WRITE_S)  # now both wait inside a write
        killed = [one.kill(self.planned.hold_s) for one in self.house.ingest]
        await super().end()
        return any(killed)

    async def end(self) -> None:
        """Start it again."""
        await start_influx(self.house)


async def stop_influx(house: House) -> bool:
    """Kill influxd with -9; false when it is down."""
    if house.influx is None or house.influx.process is None:
        return False
    await asyncio.to_thread(house.influx.stop)
    return True


async def start_influx(house: House) -> None:
    """Start it if it is down."""
    if house.influx is not None and house.influx.process is None:
        await asyncio.to_thread(house.influx.start)


class StoreDown(StoreKilled):
    """The store takes nothing, while every device makes an hour's readings of one sensor: small outboxes overflow."""

    async def begin(self) -> bool:
        """Take the store away, then let the hour pass."""
        down = await stop_influx(self.house) if self.house.influx is not None else await WriteLock.begin(self)
        if down:
            for one in self.house.device_plans:
                let_an_hour_pass(self.house, one, self.planned)
        return down

    async def end(self) -> None:
        """Give the store back."""
        await WriteLock.end(self)
        await start_influx(self.house)


class StoreFull(Fault):
    """The store's disk is full."""

    async def begin(self) -> bool:
        """Fill it."""
        assert self.house.store_disk is not None  # noqa: S101 - the kind is planned only where there is one
        await asyncio.to_thread(self.house.store_disk.fill)
        return True

    async def end(self) -> None:
        """Give the room back, and start InfluxDB anew: before that it takes nothing into a shard whose log was torn."""
        assert self.house.store_disk is not None  # noqa: S101 - as in `begin`
        self.house.store_disk.free()
        if await stop_influx(self.house):
            await start_influx(self.house)


class EdgeDiskFull(Fault):
    """The disk of the first device process is full."""

    async def begin(self) -> bool:
        """Fill it."""
        assert self.house.edge_disk is not None  # noqa: S101 - the kind is planned only where there is one
        await asyncio.to_thread(self.house.edge_disk.fill)
        return True

    async def end(self) -> None:
        """Give the room back."""
        assert self.house.edge_disk is not None  # noqa: S101 - as in `begin`
        self.house.edge_disk.free()
