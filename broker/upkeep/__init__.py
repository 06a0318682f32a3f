"""Upkeep: roll-ups, retention, the canary. What keeps the readings in bounds and proves that they arrive."""
