"""What a process costs, read from /proc: CPU seconds, memory, bytes to the disk. On other systems nothing is known."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_UTIME, _STIME = 11, 12  # places behind the name, proc(5)
_LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time since the process began, the memory that it holds now, and what it has had written to disks."""

    cpu_s: float
    rss_bytes: int
    written_bytes: int


def cost_of(pids: Iterable[int]) -> Cost | None:
    """The cost of some processes so far; `None` when none is there, or when the system does not tell."""
    found = [one for one in map(_cost, pids) if one is not None]
    if not found:
        return None
    return Cost(
        sum(one.cpu_s for one in found),
        sum(one.rss_bytes for one in found),
        sum(one.written_bytes for one in found),
    )


def _cost(pid: int) -> Cost | None:
    try:
        # The name may hold spaces and brackets: count from behind the last of them.
        words = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        pages = (PROC / str(pid) / "statm").read_text(encoding="utf-8").split()[1]
        written = (PROC / str(pid) / "io").read_text(encoding="utf-8").partition("\nwrite_bytes: ")[2].split()[0]
    except (OSError, IndexError):  # it has ended meanwhile, or belongs to somebody else: no cost
        return None
    cpu_s = (int(words[_UTIME]) + int(words[_STIME])) / _TICKS_PER_S
    return Cost(cpu_s, int(pages) * _PAGE_BYTES, int(written))


def listener_pids(port: int) -> tuple[int, ...]:
    """The processes of ours that listen on this TCP port of this machine; none where that cannot be seen."""
    inodes = set(_listening_inodes(port))
    if not inodes:
        return ()
    return tuple(int(one.name) for one in PROC.iterdir() if one.name.isdigit() and _holds(one, inodes))


def _listening_inodes(port: int) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / name).read_text(encoding="utf-8").splitlines()[1:]
        except OSError:  # a machine without this protocol
            continue
        for line in lines:
            words = line.split()
            if words[3] == _LISTENING and int(words[1].rpartition(":")[2], 16) == port:
                yield words[9]


def _holds(folder: Path, inodes: set[str]) -> bool:
    try:
        links = (str(one.readlink()) for one in (folder / "fd").iterdir())
        return any(link.removeprefix("socket:[").removesuffix("]") in inodes for link in links)
    except OSError:  # it has ended meanwhile, or belongs to somebody else
        return False
