"""Who signs our answers to messages that were signed."""

from dataclasses import dataclass, field

from keys.algorithms import SigningKey


@dataclass(frozen=True)
class Signer:
    """CMP's signer: its certificate (DER), those above it, without the root, and its key."""

    certificate: bytes
    chain: tuple[bytes, ...]
    key: SigningKey = field(repr=False)
