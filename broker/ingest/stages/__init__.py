"""The stages of ingest, one a file. `broker.ingest.pipeline` holds their order."""
