"""Cameras that do not exist: a rendered market alley, or a file, served as an MJPEG stream on loopback."""
