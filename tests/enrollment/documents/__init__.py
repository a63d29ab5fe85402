"""The documents: their facts, their setting, their signature, and what a stranger can verify."""
