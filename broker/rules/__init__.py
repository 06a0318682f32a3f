"""Rules over telemetry: what they say, what they would have said, and the files that they stand in."""
