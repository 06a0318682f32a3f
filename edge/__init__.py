"""The agent on the Raspberry Pi."""

import runtime  # noqa: F401 - first of all: it keeps rich out of an agent's memory
