"""How messages travel: sessions, consumers, the outbox. The only importer of MQTT clients."""
