"""Running other people's programs, and the files they want."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca import revocation
from ca.certificates import CertificateRecord
from ca.revocation import Reason
from tests.support.house import Request, new_request
from tests.support.open_doors import OpenDoors
from tests.support.required import missing


@dataclass(frozen=True)
class Outcome:
    """How a program ended, and everything it said."""

    status: int
    text: str


class Runner:
    """Runs programs."""

    def __call__(
        self, *command: str | Path, folder: Path | None = None, environment: Mapping[str, str] | None = None, typed: str = ""
    ) -> Outcome:
        """Run a program to its end, with what somebody types into it; what it writes to either output is told."""
        if shutil.which(str(command[0])) is None:
            missing(str(command[0]))
        done = subprocess.run(
            [str(part) for part in command],
            cwd=folder,
            env=None if environment is None else dict(environment),
            input=typed.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=200,
            check=False,
        )
        return Outcome(done.returncode, done.stdout.decode(errors="replace"))


@dataclass(frozen=True)
class Papers:
    """Files of certificates and lists, PEM."""

    doors: OpenDoors
    folder: Path

    def certificate(self, *, start_date: date | None = None, request: Request | None = None) -> tuple[CertificateRecord, Path]:
        """Return a new terminal's certificate and its file."""
        record = self.doors.house.issue(start_date=start_date, request=request or new_request()).certificate
        parsed = x509.load_der_x509_certificate(record.der or b"")
        file = self.folder / f"{record.serial}.pem"
        file.write_bytes(parsed.public_bytes(Encoding.PEM))
        return record, file

    def revoke(self, record: CertificateRecord, reason: Reason = Reason.KEY_COMPROMISE) -> None:
        """Revoke and publish."""
        house = self.doors.house
        with house.database.transaction() as session:
            revocation.revoke(session, record.issuer, record.serial, reason=reason, now=house.clock.now())
        house.crl.publish_if_due(house.clock.now())

    def lists(self) -> Path:
        """Return a file with the CRLs in force of both authorities."""
        file = self.folder / "lists.pem"
        content = b""
        for name in ("root", "issuing-1"):
            crl = x509.load_der_x509_crl((self.doors.house.crl_folder / f"{name}.crl").read_bytes())
            content += crl.public_bytes(Encoding.PEM)
        file.write_bytes(content)
        return file
