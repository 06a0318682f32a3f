"""The broker program that one-machine installations start for themselves."""
