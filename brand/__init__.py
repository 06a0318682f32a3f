"""What the console's and the player's pages share: the typeface, the colours, the mark. Served under `/brand/`."""

from pathlib import Path

STATIC = Path(__file__).parent / "static"
"""The folder to serve: `tokens.css` (which names the typeface beside it), `logo.svg`, the typeface and its licence."""
