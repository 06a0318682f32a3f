"""Flames, smoke and what looks like them, rendered as a camera would show them."""
