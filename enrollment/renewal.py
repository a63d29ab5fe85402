"""Renewal: the current certificate and a request with a new key in, the next certificate out. Every interface ends here."""

from dataclasses import dataclass

from ca.authority import Authorities
from enrollment.redemption import Retrieved
from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Unavailable


@dataclass(frozen=True)
class Renewal:
    """Renews certificates."""

    database: Database
    clock: Clock
    authority: Authorities

    def renew(self, certificate: bytes, request: bytes, *, awaits_confirmation: bool = False) -> Retrieved:
        """Renew for the public key of a request (PKCS#10, PEM or DER), which must be a new one.

        `certificate` (DER) is the one by which the terminal has proven to be itself: in TLS, or by a signature that was
        verified. With `awaits_confirmation` the new one becomes current when `Confirmations.confirm` is called.
        """
        del certificate, request, awaits_confirmation
        raise Unavailable("renewal is not open yet")
