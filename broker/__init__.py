"""The central host: ingest, alerts, upkeep, console and their stores."""

import runtime  # noqa: F401 - first of all: it keeps rich out of the services' memory
