"""Ingest: subscribe, validate, dead letter, write, acknowledge."""
