"""The stages of the alerts pipeline, one a file; `broker.alerts.pipeline` has their order."""
