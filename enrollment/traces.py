"""The checker's way back: the certificates that codes, renewals, credentials, audit entries and lists name must be there.

One that was deleted, or was signed and never stored, has no row from which to begin.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from ca import certificates, profile_history
from ca.findings import Finding
from ca.inspection import Period
from ca.profile_history import PastProfile
from enrollment.provenance import DEEDS, Name
from enrollment.tables import CodeSetRow, CredentialRow, RenewalRow
from kernel.audit import AuditEntry

PIECE = 500
# A certificate's name, whose it is, and what names it.
Trace = tuple[Name, str, str]


def findings(session: Session, period: Period) -> Iterator[Finding]:
    """Find what the period's codes, credentials and audit entries name and nobody has."""
    sources = (_code_sets(session, period), _renewals(session, period), _credentials(session, period), _deeds(session, period))
    for source in sources:
        yield from absent(session, source)


def absent(session: Session, traces: Iterator[Trace]) -> Iterator[Finding]:
    """Find the traces of certificates that are not stored."""
    while piece := tuple(islice(traces, PIECE)):
        stored = certificates.of_serials(session, {name for name, _, _ in piece})
        told: set[Name] = set()
        for name, subject, what in piece:
            if name not in stored and name not in told:
                told.add(name)
                yield Finding("certificate-missing", subject, name[1], f"{what} names it, and it is not stored")


def profiles(session: Session, past: Iterable[PastProfile]) -> Iterator[Finding]:
    """Find profiles whose text was changed, or whose first use is not on record as it is written."""
    query = select(AuditEntry.subject, AuditEntry.facts).where(AuditEntry.action == profile_history.ACTION)
    recorded = [(subject.partition(":")[2], str(facts.get("content"))) for subject, facts in session.execute(query)]
    for one in past:
        if one.profile is None:
            yield Finding("profile-changed", one.name, "", "it does not say any more what it is named for")
        if recorded.count((one.name, one.content)) != 1:
            yield Finding("profile-changed", one.name, "", "its first use is not on record as it is written")


def shared_keys(keys: Sequence[tuple[bytes, str, str]]) -> Iterator[Finding]:
    """Find keys that stand in more than one certificate; each is given with its subject and serial number."""
    seen: dict[bytes, str] = {}
    for key, subject, serial in keys:
        if key in seen:
            yield Finding("key-shared", subject, serial, f"its key stands in the certificate of {seen[key]}, too")
        seen.setdefault(key, subject)


def _code_sets(session: Session, period: Period) -> Iterator[Trace]:
    query = select(CodeSetRow.issuer, CodeSetRow.serial, CodeSetRow.terminal, CodeSetRow.claimed_at)
    for issuer, serial, terminal, at in session.execute(query.where(CodeSetRow.serial.is_not(None))):
        if issuer is not None and serial is not None and (at is None or period.holds(at)):
            yield (issuer, serial), terminal, "a code set"


def _renewals(session: Session, period: Period) -> Iterator[Trace]:
    for row in session.scalars(select(RenewalRow).execution_options(yield_per=PIECE)):
        if period.holds(row.begun_at):
            yield (row.issuer, row.serial), row.terminal, "a renewal"
            yield (row.predecessor_issuer, row.predecessor), row.terminal, "a renewal of it"


def _credentials(session: Session, period: Period) -> Iterator[Trace]:
    query = select(CredentialRow.issuer, CredentialRow.serial, CredentialRow.terminal, CredentialRow.since)
    for issuer, serial, terminal, at in session.execute(query):
        if period.holds(at):
            yield (issuer, serial), terminal, "the terminal's credential"


def _deeds(session: Session, period: Period) -> Iterator[Trace]:
    query = select(AuditEntry.facts, AuditEntry.subject, AuditEntry.at, AuditEntry.action).where(AuditEntry.action.in_(DEEDS))
    for facts, subject, at, action in session.execute(query.execution_options(yield_per=PIECE)):
        if period.holds(at):
            yield (str(facts.get("issuer")), str(facts.get("serial"))), subject.partition(":")[2], f"the audit log ({action})"
