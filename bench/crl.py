"""P4: a CRL of a million entries, from the database to the published, verified file, beside `openssl ca -gencrl`.

python -m bench.crl [--entries 1000000] [--times 5]
"""

import argparse
import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import func, insert, select, update

from bench import measure
from ca.crl_encoding import entry
from ca.tables import CrlEntryRow, CrlPartitionRow, IssuerRow
from kernel.clock import SystemClock
from kernel.database import Database, connect
from tests.support.house import PASSPHRASE, House, build_house
from tests.support.schema import whole_schema

PARTITION = 10_000
CHUNK = 20_000
CONFIGURATION = """
[ca]
default_ca = own
[own]
database = index.txt
crlnumber = number
default_md = sha256
default_crl_days = 3
crl_extensions = extensions
[extensions]
authorityKeyIdentifier = keyid
"""


def main() -> None:
    """Measure and write bench/results/crl.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-crl-") as folder:
        facts = run(Path(folder), chosen.entries, chosen.times)
    measure.write("crl", facts)


def run(folder: Path, entries: int, times: int) -> dict[str, Any]:
    """Measure in a folder and return what was seen."""
    database = connect(f"sqlite:///{folder / 'bench.db'}")
    whole_schema().create_all(database.engine)
    house = build_house(database, folder, SystemClock())
    serials = [(1 << 158) | secrets.randbits(158) for _ in range(entries)]
    _fill(database, serials)
    first, settling, complete, partition = _published(house, folder, times)
    size = house.crl.file.stat().st_size
    _prepare_openssl(folder, house, serials)
    peer = measure.child(
        "openssl ca -gencrl",
        min(times, 3),
        *("openssl", "ca", "-gencrl", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "key.pem", "-out", "theirs.crl"),
        folder=folder,
    )
    return {
        "entries": entries,
        "octets": size,
        "first": first.summary(),
        "settling": settling.summary(),
        "ours": complete.summary(),
        "partition_entries": min(PARTITION, entries),
        "partition": partition.summary(),
        "openssl": peer.summary(),
        "ratio_cpu": round(peer.cpu / complete.cpu, 1),
        "ratio_cpu_first": round(peer.cpu / first.cpu, 1),
        "target": "ratio at least 20 [80], at most 60 MB private, a partition in at most 50 ms",
    }


def _published(house: House, folder: Path, times: int) -> list[measure.Series]:
    command = [sys.executable, "-m", "bench.publishing", house.database.engine.url.render_as_string(hide_password=False)]
    command += [str(folder), PASSPHRASE.decode(), house.profile.addresses.status_url, str(PARTITION), str(times)]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    return [measure.Series(one["what"], [measure.Run(**run) for run in one["runs"]]) for one in json.loads(told)]


def _fill(database: Database, serials: list[int]) -> None:
    """Put entries on record, and services that can still be revoked."""
    now = datetime.now(UTC).replace(microsecond=0)
    until = now + timedelta(days=365)
    for begin in range(0, len(serials), CHUNK):
        with database.transaction() as session:
            session.execute(insert(CrlEntryRow), list(_rows(serials, begin, now, until)))
    with database.transaction() as session:
        newest = session.scalar(select(func.max(CrlEntryRow.partition))) or 1
        session.execute(
            insert(CrlPartitionRow), [{"issuer": "issuing-1", "number": n, "revision": 1} for n in range(1, newest + 1)]
        )
        session.execute(update(IssuerRow).where(IssuerRow.name == "issuing-1").values(revision=1))


def _rows(serials: list[int], begin: int, now: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    for place, serial in enumerate(serials[begin : begin + CHUNK], begin):
        yield {
            "issuer": "issuing-1",
            "partition": place // PARTITION + 1,
            "certificate_id": 1_000 + place,
            "revision": 1,
            "until": until,
            "entry": entry(serial, now, "superseded"),
        }


def _prepare_openssl(folder: Path, house: House, serials: list[int]) -> None:
    now = datetime.now(UTC)
    then, until = now.strftime("%y%m%d%H%M%SZ"), (now + timedelta(days=365)).strftime("%y%m%d%H%M%SZ")
    (folder / "ca.cnf").write_text(CONFIGURATION)
    (folder / "number").write_text("01\n")
    (folder / "index.txt").write_text(
        "".join(f"R\t{until}\t{then},superseded\t{serial:040X}\tunknown\t/CN={serial:x}\n" for serial in serials)
    )
    (folder / "ca.pem").write_text(house.issuing.issuer.pem)
    key = house.issuing.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(key)


if __name__ == "__main__":
    main()
