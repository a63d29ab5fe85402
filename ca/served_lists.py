"""The look from outside: are the lists that certificates name served, signed, fresh, and as new as our records say.

Whoever relies on us asks the address that stands in a certificate; so does this, and believes nothing else.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from mmap import mmap

from cryptography import x509
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ca import issuers, terms
from ca.crl import number_of
from ca.crl_drafts import ListFaultError, verify, without_entries
from ca.crl_encoding import list_name
from ca.hierarchy import is_root
from ca.issuers import Issuer
from ca.profiles import Addresses
from ca.tables import CrlRow
from kernel.database import Database

# Takes an address, returns what is served there, in memory or as a file's pages; raises OSError when nothing is.
Fetch = Callable[[str], bytes | mmap]
# What caches may keep from us for a minute is not missed before two have passed.
LAG = timedelta(minutes=2)
# A list is stale long before it is over: when less than this part of its life is left.
LEAST_LEFT = 1 / 3


@dataclass(frozen=True)
class ListFault:
    """What is wrong with a list: its address, and a sentence."""

    address: str
    fault: str

    def __str__(self) -> str:
        """Return the line that is told."""
        return f"{self.address}: {self.fault}"


@dataclass(frozen=True)
class Expected:
    """A list that should be served: whose, where, which one, and its number at least."""

    issuer: Issuer
    address: str
    partition: int
    is_delta: bool
    number: int


def check(database: Database, addresses: Addresses, fetch: Fetch, now: datetime) -> tuple[int, list[ListFault]]:
    """Fetch every list that should be served; return how many there are, and what is wrong with them."""
    with database.snapshot() as session:
        expected = list(_expected(session, addresses, now))
    return len(expected), [ListFault(one.address, fault) for one in expected for fault in faults_of(one, addresses, fetch, now)]


def _expected(session: Session, addresses: Addresses, now: datetime) -> Iterator[Expected]:
    telling = {issuer.name for issuer, _ in terms.telling_status(session, now)}
    for issuer in issuers.load_all(session):
        # What has ended tells nothing more, and nobody asks.
        if not (is_root(issuer) and now < issuer.certificate.not_valid_after_utc) and issuer.name not in telling:
            continue
        lists = select(CrlRow.partition, CrlRow.is_delta, func.max(CrlRow.number).filter(CrlRow.this_update <= now - LAG))
        grouped = lists.where(CrlRow.issuer == issuer.name).group_by(CrlRow.partition, CrlRow.is_delta)
        found = {(partition, is_delta): number or 0 for partition, is_delta, number in session.execute(grouped)}
        found.setdefault((0, False), 0)
        for (partition, is_delta), number in sorted(found.items()):
            address = addresses.crl(list_name(issuer.name, partition, delta=is_delta))
            yield Expected(issuer, address, partition, is_delta, number)


def faults_of(expected: Expected, addresses: Addresses, fetch: Fetch, now: datetime) -> Iterator[str]:
    """Fetch a list and yield what is wrong with it."""
    try:
        served = fetch(expected.address)
    except OSError as error:
        yield f"nothing is served ({error})"
        return
    try:
        with memoryview(served) as view:
            verify(view, expected.issuer)
            said = without_entries(view)
    except ListFaultError as fault:
        yield str(fault)
        return
    yield from _faults_of_time(said, now)
    try:
        number = number_of(said)
    except x509.ExtensionNotFound:
        yield "it has no number"
        return
    if number < expected.number:
        yield f"number {number} is served, {expected.number} was published"
    if _scope(said) != ([addresses.crl(list_name(expected.issuer.name, expected.partition))] if expected.partition else []):
        yield "it is the list of something else"
    if _is_delta(said) != expected.is_delta:
        yield "it is a delta" if _is_delta(said) else "it is no delta"


def _faults_of_time(said: x509.CertificateRevocationList, now: datetime) -> Iterator[str]:
    begun, ends = said.last_update_utc, said.next_update_utc
    if begun > now + LAG:
        yield f"it is from the future: {begun}"
    if ends is None or ends <= now:
        yield f"it is over since {ends}"
    elif ends - now < LEAST_LEFT * (ends - begun):
        yield f"it is stale: made {begun}, over at {ends}"


def _scope(said: x509.CertificateRevocationList) -> list[str]:
    try:
        point = said.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return []
    return [name.value for name in point.full_name or ()]


def _is_delta(said: x509.CertificateRevocationList) -> bool:
    return any(isinstance(extension.value, x509.DeltaCRLIndicator) for extension in said.extensions)
