"""A terminal whose certificate may be renewed today."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from ca import certificates
from ca.certificates import CertificateRecord, CertificateState
from enrollment.issuance import Retrieved
from enrollment.tables import CredentialRow, RenewalRow
from kernel.clock import day_start
from kernel.errors import Refused, Unavailable
from tests.support.clock import SettableClock
from tests.support.house import SOURCE, House, Request, new_request


@dataclass(frozen=True)
class Renewable:
    """A terminal in service on the first day of its window."""

    house: House
    terminal: str
    access_key: str
    old: CertificateRecord

    @property
    def der(self) -> bytes:
        """The current certificate."""
        return self.old.der or b""

    def renew(self, request: Request | None = None, *, awaits: bool = False, by: bytes | None = None) -> Retrieved:
        """Renew, by the old certificate unless another is given."""
        return self.house.renewal.renew(by or self.der, (request or new_request()).pem, awaits_confirmation=awaits)

    def told(self, request: Request | None = None, *, awaits: bool = False, by: bytes | None = None) -> str:
        """Try to renew and return the refusal's code, or "renewed" or "fetched"."""
        try:
            return "renewed" if self.renew(request, awaits=awaits, by=by).is_new else "fetched"
        except Refused as refusal:
            return refusal.code
        except Unavailable:
            return "unavailable"

    def log_on(self, certificate: bytes | None) -> str:
        """Try to log on; return the refusal's code, or "permitted"."""
        try:
            self.house.logon.check(certificate, self.terminal, self.access_key)
        except Refused as refusal:
            return refusal.code
        return "permitted"

    def states(self) -> dict[str, CertificateState]:
        """Return the states of all the terminal's certificates by serial number."""
        with self.house.database.snapshot() as session:
            return {record.serial: record.state for record in certificates.of_subject(session, self.terminal)}

    def current(self) -> str:
        """Return the serial number of the current certificate."""
        with self.house.database.snapshot() as session:
            return session.get_one(CredentialRow, self.terminal).serial

    def renewals(self) -> list[str]:
        """Return the states of the terminal's renewals, oldest first."""
        with self.house.database.snapshot() as session:
            query = select(RenewalRow.state).where(RenewalRow.terminal == self.terminal).order_by(RenewalRow.begun_at)
            return list(session.scalars(query))


def renewable(house: House, clock: SettableClock) -> Renewable:
    """Return a terminal after the clock was moved to the first day of its window."""
    [(terminal, codes)] = house.new_codes()
    record = house.redemption.redeem(codes, new_request().pem, SOURCE).certificate
    clock.instant = day_start(house.own_states.of(record.der).window.first_day) + timedelta(hours=10)
    return Renewable(house, terminal, codes.access_key, record)
