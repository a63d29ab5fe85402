"""Passwords: Argon2id hashes, and what a password must be like."""

import unicodedata
from dataclasses import dataclass, field
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from kernel.errors import Refused
from webui.guessable import is_guessable

SHORTEST = 12
LONGEST = 128

# The first choice of OWASP's password storage advice: 46 MiB, one pass, one lane.
MEMORY_KIB = 47104
PASSES = 1
LANES = 1


@dataclass(frozen=True)
class Passwords:
    """Makes and checks hashes. Tests use cheap parameters; old hashes stay good and are renewed at the next log-in."""

    memory_kib: int = MEMORY_KIB
    passes: int = PASSES
    lanes: int = LANES
    _hasher: PasswordHasher = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the hasher once; it keeps no state."""
        hasher = PasswordHasher(time_cost=self.passes, memory_cost=self.memory_kib, parallelism=self.lanes)
        object.__setattr__(self, "_hasher", hasher)

    def hash(self, password: str) -> str:
        """Return the encoded hash of a password."""
        return self._hasher.hash(_normal(password))

    def matches(self, stored: str | None, password: str) -> bool:
        """Tell whether a password is the hashed one. For None (no such account) the same work is done in vain."""
        try:
            self._hasher.verify(stored or self._nobody, _normal(password))
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Tell whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    @cached_property
    def _nobody(self) -> str:
        return self._hasher.hash("nobody has this password")


def require_good(password: str, *, login: str, names: tuple[str, ...] = ()) -> None:
    """Raise Refused with the rule that a new password breaks: its length, the log-in name in it, repetition, being guessable.

    `names` are what else strangers know of the account (`accounts.expected`).
    """
    normal = _normal(password)
    if len(normal) < SHORTEST:
        raise Refused("password-too-short", shortest=SHORTEST)
    if len(normal) > LONGEST:
        raise Refused("password-too-long", longest=LONGEST)
    if login.lower() in normal.lower():
        raise Refused("password-holds-login")
    if len(set(normal)) < SHORTEST // 3:
        raise Refused("password-too-simple")
    if is_guessable(normal, (login, *names)):
        raise Refused("password-too-common")


def _normal(password: str) -> str:
    # NFKC: a password typed with a full-width keyboard is the same password.
    return unicodedata.normalize("NFKC", password)
