"""Alerts: events become incidents, incidents become messages."""
