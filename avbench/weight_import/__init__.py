"""Weights in files: reading those of other models, writing ours with a card that says what they are."""
