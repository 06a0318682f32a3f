"""What every part of Jangteo shares: topics, payloads, manifest, schedule. Pydantic and pure computation, no I/O."""
