"""What a terminal says of a certificate that it was given (CMP's certConf, RFC 9810 §5.3.18)."""

from dataclasses import dataclass

from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Unavailable


@dataclass(frozen=True)
class Confirmations:
    """Accepts and rejects what was issued; certificates are named by issuer and serial number."""

    database: Database
    clock: Clock

    def confirm(self, issuer: str, serial: str) -> None:
        """Delete the sealed copy of the code set at once; let a renewal that waits for this become current."""
        del issuer, serial
        raise Unavailable("confirmation is not open yet")

    def reject(self, issuer: str, serial: str) -> None:
        """Revoke the certificate; a renewal's old one stays current."""
        del issuer, serial
        raise Unavailable("confirmation is not open yet")
