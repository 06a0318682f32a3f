"""Licensed real pictures to train on: which they are, where they come from, and how to have them again."""
