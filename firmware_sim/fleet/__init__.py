"""A whole country's devices as load: MQTT only, seeded, with the delivery rules of the real agent."""
