"""A process that does nothing but publish, so that its memory is what publishing takes: started by bench.crl."""

import dataclasses
import json
import sys
from pathlib import Path

from sqlalchemy import select

from bench import measure
from ca import issuers, revocation
from ca.crl import CrlPublisher
from ca.issuers import SigningIssuer
from ca.profiles import Addresses
from ca.tables import CertificateRow
from kernel.clock import SystemClock
from kernel.database import Database, connect
from keys.custody import SoftwareKeys

ISSUER = "issuing-1"


def main() -> None:
    """Publish the complete list and a partition several times; standard output gets both series as JSON."""
    address, folder, passphrase, status_url, size, times = sys.argv[1:]
    database, clock = connect(address), SystemClock()
    publisher = _publisher(database, Path(folder), passphrase.encode(), Addresses(status_url), int(size))
    complete = measure.repeated(
        "the next list after one more change",
        int(times),
        lambda: publisher.publish(clock.now()),
        lambda: _change_one(database, clock),
    )
    partition = measure.repeated("a partition", int(times), lambda: publisher.publish(clock.now(), 1))
    json.dump([dataclasses.asdict(complete), dataclasses.asdict(partition)], sys.stdout)


def _publisher(database: Database, folder: Path, passphrase: bytes, addresses: Addresses, size: int) -> CrlPublisher:
    with database.snapshot() as session:
        issuer = issuers.load(session, ISSUER)
    if issuer is None:
        raise LookupError(ISSUER)
    signer = SigningIssuer(issuer, SoftwareKeys(folder / "keys", passphrase).open_signing(ISSUER))
    return CrlPublisher(database, signer, folder / "published", addresses=addresses, partition_size=size)


def _change_one(database: Database, clock: SystemClock) -> None:
    """Hold a certificate that is good, or release it again: either makes one entry's difference."""
    first = select(CertificateRow).where(CertificateRow.issuer == ISSUER, CertificateRow.kind == "service")
    with database.transaction() as session:
        row = session.scalars(first.order_by(CertificateRow.id).limit(1)).one()
        if not revocation.hold(session, ISSUER, row.serial, now=clock.now()):
            revocation.release(session, ISSUER, row.serial)


if __name__ == "__main__":
    main()
