"""The agent on the Raspberry Pi."""
