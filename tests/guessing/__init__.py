"""Guessing by every interface that takes a secret: how much is looked at, whom it harms, what an answer's time gives away."""
