"""Notifiers, one provider a file: found by being there, none knows another."""
