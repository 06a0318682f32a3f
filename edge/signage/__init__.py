"""Screens: file pool, activation, player page."""
