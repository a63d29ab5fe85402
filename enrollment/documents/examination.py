"""What the examination of an uploaded file found: told by a child process as JSON, read by the door."""

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """`whole`: signed, by somebody below our roots, and nothing changed since; `changed`: a signature that does not hold.

    `foreign`: the signature holds, or may, but leads to none of our roots.
    """

    UNREADABLE = "unreadable"
    UNSIGNED = "unsigned"
    FOREIGN = "foreign"
    CHANGED = "changed"
    WHOLE = "whole"


@dataclass(frozen=True)
class Examination:
    """The outcome; who signed (a name, and the certificate as DER), and the time stamps' time and who gave it."""

    outcome: Outcome
    signer: str = ""
    certificate: bytes = b""
    signed_at: datetime | None = None
    stamped_by: str = ""

    def written(self) -> bytes:
        """Return it as JSON."""
        return json.dumps(
            {
                "outcome": self.outcome.value,
                "signer": self.signer,
                "certificate": base64.b64encode(self.certificate).decode("ascii"),
                "signed_at": self.signed_at.isoformat() if self.signed_at else None,
                "stamped_by": self.stamped_by,
            }
        ).encode("ascii")

    @classmethod
    def read(cls, written: bytes) -> "Examination":
        """Read what `written` returned; raises ValueError, TypeError or KeyError for anything else."""
        told: dict[str, Any] = json.loads(written)
        return cls(
            Outcome(told["outcome"]),
            told["signer"],
            base64.b64decode(told["certificate"]),
            datetime.fromisoformat(told["signed_at"]) if told["signed_at"] else None,
            told["stamped_by"],
        )
