"""Who protects a message by a secret shared with us: the codes of a code set, as `CODE1-CODE2-CODE3-OFFICE` (CMP's MAC).

A MAC can not be checked by what is kept to check typed codes, so the sealed copy is opened: for as long as there is one.
An unknown access key, and one whose copy is gone, cost the same work and get the same answer as a wrong secret.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from enrollment import codes as code_rules
from enrollment import guessing
from enrollment.codes import Codes
from enrollment.guessing import Known
from kernel.database import Database
from keys.codes import CodeHasher, Opener, Sealer

# Says whether a message was protected under a secret.
Proof = Callable[[bytes], bool]
_NOBODY_ID, _NOBODY_TERMINAL, _NOBODY_OFFICE = "0" * 32, "00000A", "AAA000"


@dataclass(frozen=True)
class Proven:
    """A code set whose codes the sender of a message knows, and the secret to protect the answer with."""

    code_set_id: str
    codes: Codes
    secret: bytes = field(repr=False)


@dataclass(frozen=True)
class MacSecrets:
    """Finds the secret of an access key. Holds the opener of sealed codes."""

    database: Database
    hasher: CodeHasher
    opener: Opener

    def prove(self, access_key: str, proof: Proof, source: str, now: datetime) -> Proven:
        """Return whose secret a message was protected under.

        Raises Refused("input-invalid"), Refused("codes-wrong") and Refused("throttled"), counted with all other tries.
        """
        digest = code_rules.access_key_digest(self.hasher, code_rules.normal_access_key(access_key))
        opened: list[Codes] = []

        def holds(known: Known) -> bool:
            codes = self._codes(known)
            opened.append(codes)
            return proof(secret_of(codes)) and known.sealed is not None

        code_set_id = guessing.prove(self.database, digest, holds, source, now)
        [codes] = opened
        return Proven(code_set_id, codes, secret_of(codes))

    def _codes(self, known: Known) -> Codes:
        """Open a set's copy, or one that nobody knows."""
        if known.code_set_id is None or known.sealed is None:
            return self._open(self._nobody, _NOBODY_ID, _NOBODY_TERMINAL, _NOBODY_OFFICE)
        return self._open(known.sealed, known.code_set_id, known.terminal, known.office_code)

    def _open(self, sealed: bytes, code_set_id: str, terminal: str, office_code: str) -> Codes:
        return code_rules.unseal(self.opener, sealed, code_set_id=code_set_id, terminal=terminal, office_code=office_code)

    @cached_property
    def _nobody(self) -> bytes:
        """A copy of random codes, sealed as all are."""
        sealer = Sealer(self.opener.private_key.public_key())
        return code_rules.seal(sealer, code_rules.generate(_NOBODY_TERMINAL, _NOBODY_OFFICE), _NOBODY_ID, _NOBODY_TERMINAL)


def secret_of(codes: Codes) -> bytes:
    """Return the one secret of a code set, as the ID notice's reader types it."""
    return f"{codes.auth_code_1}-{codes.auth_code_2}-{codes.auth_code_3}-{codes.office_code}".encode()
