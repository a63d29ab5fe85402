"""The doors' interfaces for terminals. Every signing path of theirs ends in the one redemption function."""
