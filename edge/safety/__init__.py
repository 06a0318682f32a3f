"""Fire to siren and screens, with no network between."""
