"""A process that does nothing but publish, so that its memory is what publishing takes: started by bench.crl."""

import dataclasses
import json
import secrets
import sys
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from bench import measure
from ca import crl_entries, issuers
from ca.crl import CrlPublisher
from ca.crl_blocks import Place
from ca.issuers import SigningIssuer
from ca.profiles import Addresses
from ca.tables import CrlEntryRow
from kernel.clock import SystemClock
from kernel.database import Database, connect
from keys.custody import SoftwareKeys

ISSUER = "issuing-1"
# Lists after which everything that was quiet is kept joined, of a million entries.
SETTLING = 5


@dataclasses.dataclass(frozen=True)
class Revoked:
    """As much of a revoked certificate as lists tell."""

    id: int
    partition: int
    revoked_at: datetime
    issuer: str = ISSUER
    reason: str | None = "keyCompromise"
    invalid_since: datetime | None = None

    @property
    def serial(self) -> str:
        """Another one at each time."""
        return f"{(1 << 158) | secrets.randbits(158):x}"

    @property
    def not_before(self) -> datetime:
        """A day before it was revoked."""
        return self.revoked_at - timedelta(days=1)

    @property
    def not_after(self) -> datetime:
        """A year later."""
        return self.revoked_at + timedelta(days=365)


class _Loose(CrlPublisher):
    """One whose every list is like the first: afterwards it keeps nothing joined, so that the list alone is measured."""

    def _keep(self, places: tuple[Place, ...], plan: object) -> None:
        del places, plan


def main() -> None:
    """Publish the complete list and a partition several times; standard output gets all series as JSON."""
    address, folder, passphrase, status_url, size, times = sys.argv[1:]
    database, clock = connect(address), SystemClock()
    publisher = _publisher(database, Path(folder), passphrase.encode(), Addresses(status_url), int(size))

    def revoke_one() -> None:
        _revoke_one(database, clock.now(), int(size))

    loose = _Loose(**{field.name: getattr(publisher, field.name) for field in dataclasses.fields(publisher)})
    first = measure.repeated("a list of which nothing is kept joined", int(times), lambda: loose.publish(clock.now()), revoke_one)
    settling = measure.repeated(
        "lists until all is kept joined, and the joining", SETTLING, lambda: publisher.publish(clock.now()), revoke_one
    )
    complete = measure.repeated(
        "the next list after one more revocation", int(times), lambda: publisher.publish(clock.now()), revoke_one
    )
    partition = measure.repeated("a partition", int(times), lambda: publisher.publish(clock.now(), 1))
    json.dump([dataclasses.asdict(series) for series in (first, settling, complete, partition)], sys.stdout)


def _publisher(database: Database, folder: Path, passphrase: bytes, addresses: Addresses, size: int) -> CrlPublisher:
    with database.snapshot() as session:
        issuer = issuers.load(session, ISSUER)
    if issuer is None:
        raise LookupError(ISSUER)
    signer = SigningIssuer(issuer, SoftwareKeys(folder / "keys", passphrase).open_signing(ISSUER))
    return CrlPublisher(database, signer, folder / "published", addresses=addresses, partition_size=size)


def _revoke_one(database: Database, now: datetime, size: int) -> None:
    """Put another certificate of some full partition on the lists: what was kept of its neighbours is to be joined anew."""
    with database.snapshot() as session:
        of_issuer = select(func.min(CrlEntryRow.certificate_id), func.max(CrlEntryRow.certificate_id))
        first, last = session.execute(of_issuer.where(CrlEntryRow.issuer == ISSUER)).one()
    certificate_id = first + secrets.randbelow(last - first)
    partition = (certificate_id - first) // size + 1
    with database.transaction() as session:
        crl_entries.show(session, ISSUER, [Revoked(certificate_id, partition, now)])


if __name__ == "__main__":
    main()
