"""What is taken out of a text before anybody keeps it."""

import re

# SQLAlchemy tells a failed statement's values, Python's HTTP libraries the query of an address.
_VALUES = re.compile(r"\[parameters: .*?\]\n|\?[^\s'\"]*=[^\s'\"]*", re.DOTALL)


def without_values(text: str) -> str:
    """Return a text without statements' parameters and query strings."""
    return _VALUES.sub("…", text)
