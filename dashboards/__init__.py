"""Grafana dashboards as code: built here, written to `generated/`, loaded by Grafana's file provisioning."""
