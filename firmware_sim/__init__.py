"""Devices that do not exist, for the real agent to run on: pins, cars, people, cameras, faults. All of it seeded."""
