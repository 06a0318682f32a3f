"""Fire cameras: what turns pictures into a confirmed fire, on the device itself."""
