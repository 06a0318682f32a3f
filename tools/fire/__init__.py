"""The fire model: its material, its rendered clips, its training."""
