"""The central host: ingest, alerts, console and their stores."""
