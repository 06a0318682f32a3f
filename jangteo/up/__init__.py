"""`jangteo up`: everything in one place, for trying out and for a small market."""
