"""Central state: registry, incidents, messages, signage, users, audit, dead letters, part status."""
