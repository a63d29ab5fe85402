"""What comes to its end and renews itself by nobody: it is told in time, and to whom it may concern what is to be done.

A root's revocation list and every authority's certificate need the root's key, which may be far away; a service's
certificate only gets here when its renewal did not happen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from sqlalchemy.orm import Session

from ca import crl_entries, issuers, renewal, terms
from ca.crl import latest
from ca.hierarchy import is_root
from ca.issuers import Issuer

# How long a terminal's certificate runs at most, where no fixed end is set.
LONGEST = timedelta(days=366)
# What a new root, or a new issuing CA under a root whose key is in a safe, takes people: meetings, ceremony, distribution.
LEAD = timedelta(days=180)
# The part of an authority's time after which its successor is to be planned.
_LEFT = 6
# The part of a root list's life at whose end it becomes urgent that the next one comes.
_URGENT_LEFT = 4


class Ending(StrEnum):
    """What ends."""

    LIST = "the revocation list"
    AUTHORITY = "the certificate of the authority"
    SERVICE = "the certificate of the service"


@dataclass(frozen=True)
class Expiry:
    """Something that ends: what of which issuer or service, when (None: it is missing), and a sentence that says what to do.

    `is_urgent` when what relies on it fails soon, or does so already.
    """

    subject: str
    what: Ending
    ends: datetime | None
    remedy: str
    is_urgent: bool

    def __str__(self) -> str:
        """Return the sentence that is told."""
        end = f"ends on {self.ends:%Y-%m-%d}" if self.ends else "is missing"
        return f"{self.subject}: {self.what} {end}; {self.remedy}"


def approaching(session: Session, now: datetime) -> list[Expiry]:
    """Return what needs people's hands by now, the most pressing first."""
    everyone = issuers.load_all(session)
    roots = [one for one in everyone if is_root(one) and one.certificate.not_valid_after_utc > now]
    found = [*_lists(session, roots, now), *_roots(roots, now), *_issuing(session, now), *_services(session, now)]
    return sorted(found, key=lambda one: (not one.is_urgent, one.ends is not None, one.ends or now))


def _lists(session: Session, roots: list[Issuer], now: datetime) -> Iterator[Expiry]:
    for root in roots:
        newest, agreed = latest(session, root.name), terms.load(session, root.name)
        remedy = f"`tegata root crl --name {root.name}` makes the next one, with the root's key"
        if newest is not None and newest.revision != crl_entries.revision(session, root.name, crl_entries.COMPLETE):
            remedy = f"a revocation waits for the next one: {remedy}"
            yield Expiry(root.name, Ending.LIST, newest.next_update, remedy, is_urgent=True)
        elif newest is None:
            yield Expiry(root.name, Ending.LIST, None, remedy, is_urgent=True)
        elif agreed is None or now >= newest.this_update + agreed.crl_period:
            left = newest.next_update - now
            is_urgent = left < (newest.next_update - newest.this_update) / _URGENT_LEFT
            yield Expiry(root.name, Ending.LIST, newest.next_update, remedy, is_urgent=is_urgent)


def _roots(roots: list[Issuer], now: datetime) -> Iterator[Expiry]:
    last = max((root.certificate.not_valid_after_utc for root in roots), default=now)
    for root in roots:
        end = root.certificate.not_valid_after_utc
        # Where another root lives longer, it was made to follow.
        if end == last and end - now < max(_lifetime(root.certificate) / _LEFT, LEAD):
            remedy = "plan a new root that `replaces` it, and hold the ceremony"
            yield Expiry(root.name, Ending.AUTHORITY, end, remedy, is_urgent=end - now < LEAD)


def _issuing(session: Session, now: datetime) -> Iterator[Expiry]:
    order = [term for term in terms.succession(session) if not term.is_revoked]
    last = max((term.issuer.certificate.not_valid_after_utc for term in order), default=now)
    for term in order:
        end = term.issuer.certificate.not_valid_after_utc
        # What it issues towards its end is cut short, because nothing may outlive it.
        useful = end - LONGEST
        if end > now and end == last and useful - now < max(_lifetime(term.issuer.certificate) / _LEFT, LEAD):
            remedy = (
                f"from {useful:%Y-%m-%d} on certificates are cut short to end with it: "
                "add the next issuing CA to the ceremony's file and hold it"
            )
            yield Expiry(term.issuer.name, Ending.AUTHORITY, end, remedy, is_urgent=useful - now < LEAD / 2)


def _services(session: Session, now: datetime) -> Iterator[Expiry]:
    late = "its renewal has not happened: `tegata jobs list` says why"
    none = "hold the ceremony with the next `key` for it in the file"
    for subject, end in renewal.overdue(session, now):
        remedy = late if end is not None else none
        yield Expiry(subject, Ending.SERVICE, end, remedy, is_urgent=True)


def _lifetime(certificate: x509.Certificate) -> timedelta:
    return certificate.not_valid_after_utc - certificate.not_valid_before_utc
