"""What every process of Jangteo does alike: errors, clock, back-off, settings files, logs, supervision, watchdog.

Imported before anything else of ours, this brings structlog in without rich. structlog takes rich, where it is
installed, for coloured tracebacks: five megabytes and a tenth of a second for every agent on a Raspberry Pi, whose log
is JSON. Who wants rich (`jangteo up`) imports it as ever.
"""

import sys

if "structlog" not in sys.modules and "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment] # None: "cannot be imported", and structlog does without
    try:
        import structlog  # noqa: F401 - so that it is in memory before rich may be
    finally:
        del sys.modules["rich"]
