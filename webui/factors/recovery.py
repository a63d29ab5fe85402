"""Recovery codes: what opens an account whose phone or key is lost. Made ten at a time, shown once, each good once.

A code has sixteen symbols of 31, about 79 bits: no guessing, so a plain hash is enough to keep it (bound to its account).
"""

import hashlib
import secrets
import unicodedata

COUNT = 10
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # without 0 O 1 I L, which are misread
_GROUPS, _GROUP = 4, 4


def new_codes() -> tuple[str, ...]:
    """Return ten codes as they are shown: ABCD-EFGH-JKMN-PQRS."""
    return tuple("-".join(_group() for _ in range(_GROUPS)) for _ in range(COUNT))


def digest(account_id: int, code: str) -> bytes:
    """Return what is kept of a code, typed in whatever case, width and grouping."""
    normal = "".join(one for one in unicodedata.normalize("NFKC", code).upper() if one in _ALPHABET)
    return hashlib.sha256(f"recovery {account_id} {normal}".encode()).digest()


def _group() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP))
