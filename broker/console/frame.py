"""The frame of a signed-in page: what stands above every page, and the stream that keeps it true."""

from urllib.parse import quote

from fastapi import Request, Response

from broker.console.composition import console_of
from broker.console.render import language_of, page
from broker.console.sections import About, alarms
from broker.console.security import Visitor


def framed(
    request: Request,
    template: str,
    context: dict[str, object],
    visitor: Visitor,
    *,
    group: str = "bar",
    of: str | None = None,
    status: int = 200,
) -> Response:
    """A page with the alarm, the link and the menu; `group` and `of` say which sections its stream renews."""
    console = console_of(request)
    market = context.get("market")
    name = None if market is None else str(getattr(market, "id", market))
    listings = [listing.market for listing in console.directory.markets()]
    frame = {
        "alarms": alarms(console),
        "link": console.link.view(),
        "live": stream_address(About(group, name, of), language_of(request)),
        "listings": listings,
    }
    return page(request, template, {**frame, **context}, visitor=visitor, status=status)


def stream_address(about: About, language: str) -> str:
    """Where the page's stream is."""
    live = f"/live?group={about.group}&lang={language}"
    if about.market is not None and about.group != "bar":
        live += f"&market={quote(about.market)}"
    return live if about.of is None else f"{live}&of={quote(about.of)}"
