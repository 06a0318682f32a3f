"""Sensor plugins, one file each."""
