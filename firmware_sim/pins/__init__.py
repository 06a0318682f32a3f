"""Players for gpiozero's mock pins: what a sensor or a switch would do to the pin it is wired to."""
