"""`python -m jangteo`."""

from jangteo.cli import main

main()
