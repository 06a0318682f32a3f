"""What sensor plugins are built from: pure state machines, and thin adapters to the pins under them."""
