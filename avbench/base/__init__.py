"""Base weights: what every method starts from, and the command that makes them."""
