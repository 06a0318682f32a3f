"""The rules at work: looked at every ten seconds against what the series store knows now."""
