"""The command `jangteo`: composes edge, broker, simulator and dashboards into processes."""

from importlib.metadata import version

VERSION = version("jangteo")
