"""Server-sent events for the API (WHATWG HTML, section 9.2)."""

import json
from collections.abc import AsyncIterator, Mapping

from fastapi.responses import StreamingResponse

from broker.console.composition import Console
from broker.console.hub import END

HEARTBEAT_S = 15.0
RETRY_MS = 2000
STREAM_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


def event(name: str, data: str) -> str:
    """One event as it goes over the wire; a text of several lines takes a `data:` line each."""
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    return f"event: {name}\n{lines}\n"


def json_event(name: str, data: Mapping[str, object]) -> str:
    """An event whose data is one JSON object."""
    return event(name, json.dumps(data, ensure_ascii=False, separators=(",", ":")))


def json_stream(console: Console, market: str | None) -> StreamingResponse:
    """Everything that changes in a market, or in all."""
    return StreamingResponse(_changes(console, market), media_type="text/event-stream", headers=STREAM_HEADERS)


async def _changes(console: Console, market: str | None) -> AsyncIterator[str]:
    with console.hub.listen(market) as listener:
        yield f"retry: {RETRY_MS}\n\n" + json_event("hello", _now(console))
        while True:
            change = await listener.next(HEARTBEAT_S)
            if change is None:
                yield json_event("heartbeat", _now(console))
            elif change.kind == END:
                return
            else:
                yield json_event(change.kind, change.data)


def _now(console: Console) -> dict[str, object]:
    return {"now_unix_ms": console.clock.unix_ms(), "link": console.link.view().model_dump()}
