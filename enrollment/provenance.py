"""Why a certificate exists, as the checker reads it back: codes or renewal, approval, terminal, credential, audit entries."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from ca import certificates
from ca.certificates import CertificateRecord, CertificateState
from ca.findings import Said
from ca.inspection import SIGNED, Examined
from enrollment.code_sets import CodeSetState
from enrollment.issuance import RESERVATION_LIFETIME
from enrollment.successions import RenewalState
from enrollment.tables import CodeSetRow, CredentialRow, RenewalRow
from kernel.audit import AuditEntry
from kernel.clock import day_start
from registry import applications, terminals
from registry.applications import Application
from registry.states import TerminalState
from registry.terminals import Terminal

# Each deed on a certificate, and the state that it leaves behind.
DEEDS = {
    "certificate.reserve": CertificateState.RESERVED,
    "certificate.issue": CertificateState.VALID,
    "certificate.hold": CertificateState.HELD,
    "certificate.release": CertificateState.VALID,
    "certificate.revoke": CertificateState.REVOKED,
    "certificate.abandon": CertificateState.ABANDONED,
}
# What a renewal may be, whose certificate was signed, is promised or was given up.
_WITH_CERTIFICATE = frozenset({RenewalState.AWAITING, RenewalState.ISSUED, RenewalState.SETTLED, RenewalState.REJECTED})
_WITHOUT = {
    CertificateState.RESERVED: frozenset({RenewalState.CLAIMED}),
    CertificateState.ABANDONED: frozenset({RenewalState.ABANDONED, RenewalState.CLAIMED}),
}
# Entries are sealed each quarter of a minute.
SEALED_WITHIN = timedelta(minutes=5)
Name = tuple[str, str]  # issuer and serial number


@dataclass(frozen=True)
class Provenance:
    """What the records say about some certificates, read in one snapshot."""

    code_sets: Mapping[Name, Sequence[CodeSetRow]]
    credentials: Mapping[str, CredentialRow]
    terminals: Mapping[str, Terminal]
    applications: Mapping[str, Application]
    deeds: Mapping[Name, Sequence[AuditEntry]]
    renewals: Mapping[Name, RenewalRow]
    predecessors: Mapping[Name, CertificateRecord]

    def office_code(self, record: CertificateRecord) -> str | None:
        """Return the office that a terminal's certificate must name."""
        terminal = self.terminals.get(record.subject)
        return terminal.office_code if terminal else None

    def changed_at(self, record: CertificateRecord) -> datetime:
        """Return when the last thing happened to a certificate, as far as anything says so."""
        instants = [entry.at for entry in self.deeds.get(_name(record), ())]
        return max([record.reserved_at, *instants, *(at for at in (record.issued_at, record.revoked_at) if at)])

    def findings(self, examined: Examined, now: datetime) -> Iterator[Said]:
        """Find what a certificate lacks of all this."""
        yield from self._log_findings(examined.record, now)
        if examined.record.state == CertificateState.RESERVED and now - examined.record.reserved_at > RESERVATION_LIFETIME:
            yield "reserved-too-old", f"it waits for its signature since {examined.record.reserved_at:%Y-%m-%d %H:%M} UTC"
        if examined.is_terminal:
            yield from self._terminal_findings(examined.record)
            renewal = self.renewals.get(_name(examined.record))
            if renewal is None:
                yield from self._code_findings(examined.record)
            else:
                yield from self._renewal_findings(examined.record, renewal)
            yield from self._credential_findings(examined.record)

    def _log_findings(self, record: CertificateRecord, now: datetime) -> Iterator[Said]:
        entries = self.deeds.get(_name(record), ())
        actions = [entry.action for entry in entries]
        for action in ("certificate.reserve", "certificate.issue") if record.state in SIGNED else ("certificate.reserve",):
            if actions.count(action) != 1:
                yield "audit-differs", f"the log has {actions.count(action)} entries {action} of it, not one"
        if entries and DEEDS[actions[-1]] != record.state:
            yield "audit-differs", f"it is {record.state}, and the last entry of it is {actions[-1]}"
        if any(entry.leaf_index is None and now - entry.at > SEALED_WITHIN for entry in entries):
            yield "audit-unsealed", "an entry of it was not sealed in time"
        if any(entry.recomputed_commitment() != entry.commitment for entry in entries):
            yield "audit-changed", "an entry of it was changed after it was written"

    def _terminal_findings(self, record: CertificateRecord) -> Iterator[Said]:
        terminal = self.terminals.get(record.subject)
        if terminal is None:
            yield "terminal-unknown", "the terminal is not registered"
            return
        if record.not_before < day_start(terminal.start_date):
            yield "starts-too-early", f"it begins before the terminal's start date, {terminal.start_date}"
        ended = terminal.state in (TerminalState.ABOLISHED, TerminalState.SUSPENDED)
        if ended and record.state in (CertificateState.VALID, CertificateState.RESERVED):
            yield "terminal-state", f"it is {record.state}, and the terminal is {terminal.state.value}"

    def _code_findings(self, record: CertificateRecord) -> Iterator[Said]:
        sets = self.code_sets.get(_name(record), ())
        if record.state == CertificateState.ABANDONED:
            if sets:
                yield "codes-differ", "it was abandoned, and a code set still names it"
            return
        if len(sets) != 1:
            yield "codes-missing", f"{len(sets)} code sets name it, not one"
            return
        [codes] = sets
        wanted = CodeSetState.REDEEMED if record.state in SIGNED else CodeSetState.CLAIMED
        if codes.state != wanted or (codes.redeemed_at is None) == (wanted == CodeSetState.REDEEMED):
            yield "codes-differ", f"it is {record.state}, and its code set is {codes.state}"
        if codes.claimed_key != record.spki_sha256:
            yield "codes-differ", "its code set was claimed by another key"
        if (codes.terminal, codes.office_code) != (record.subject, self.office_code(record)):
            yield "codes-differ", f"its code set is of {codes.terminal} in office {codes.office_code}"
        if record.not_before < day_start(codes.start_date):
            yield "starts-too-early", f"it begins before the confirmed start date, {codes.start_date}"
        yield from self._approval_findings(codes)

    def _renewal_findings(self, record: CertificateRecord, renewal: RenewalRow) -> Iterator[Said]:
        if self.code_sets.get(_name(record)):
            yield "renewal-differs", "a code set names it, and it was made by renewal"
        if renewal.state not in _WITHOUT.get(record.state, _WITH_CERTIFICATE):
            yield "renewal-differs", f"it is {record.state}, and its renewal is {renewal.state}"
        if renewal.spki_sha256 != record.spki_sha256:
            yield "renewal-differs", "its renewal was made for another key"
        if (renewal.terminal, renewal.office_code) != (record.subject, self.office_code(record)):
            yield "renewal-differs", f"its renewal is of {renewal.terminal} in office {renewal.office_code}"
        old = self.predecessors.get((renewal.predecessor_issuer, renewal.predecessor))
        if old is None or old.der is None or old.subject != record.subject:
            yield "renewal-differs", f"there is no certificate {renewal.predecessor} of this terminal that it could follow"
        elif not old.reserved_at <= renewal.begun_at <= old.not_after:
            yield "renewal-differs", f"it was renewed at {renewal.begun_at}, when {renewal.predecessor} was not good"

    def _is_beside(self, record: CertificateRecord) -> bool:
        """Return whether a renewal lets it be good beside the current one: not confirmed yet, or still to be fetched by."""
        open_ones = [row for row in self.renewals.values() if row.terminal == record.subject]
        return any(
            (row.state == RenewalState.AWAITING and (row.issuer, row.serial) == _name(record))
            or (row.state == RenewalState.ISSUED and (row.predecessor_issuer, row.predecessor) == _name(record))
            for row in open_ones
        )

    def _approval_findings(self, codes: CodeSetRow) -> Iterator[Said]:
        if not codes.approver or not codes.preparer or codes.approver == codes.preparer:
            yield "approval", f"{codes.preparer} prepared the codes, and {codes.approver} approved"
        if codes.receipt_number is None:
            return  # taken over: no application, its approver stands in the code set alone
        application = self.applications.get(codes.receipt_number)
        if application is None:
            yield "approval", f"there is no application {codes.receipt_number}"
            return
        if application.approver is None or application.approver != codes.approver:
            yield "approval", f"{application.approver} approved {codes.receipt_number}, not {codes.approver}"
        if application.approver == application.applied_by:
            yield "approval", f"{application.applied_by} approved an application of their own"
        if application.office_code != codes.office_code or application.start_date is None:
            yield "approval", f"{codes.receipt_number} is of {application.office_code}, to start on {application.start_date}"

    def _credential_findings(self, record: CertificateRecord) -> Iterator[Said]:
        credential = self.credentials.get(record.subject)
        is_current = credential is not None and (credential.issuer, credential.serial) == _name(record)
        if record.state in (CertificateState.VALID, CertificateState.HELD) and not is_current and not self._is_beside(record):
            yield "credential-differs", f"it is {record.state}, and not the terminal's current one"
        if is_current and record.state not in SIGNED:
            yield "credential-differs", f"it is {record.state}, and the terminal's current one"
        if is_current and credential is not None and credential.office_code != self.office_code(record):
            yield "credential-differs", f"the terminal's current one is kept for office {credential.office_code}"


def read(session: Session, examined: Sequence[Examined]) -> Provenance:
    """Read everything that belongs to some certificates."""
    records = [one.record for one in examined]
    subjects = {one.record.subject for one in examined if one.is_terminal}
    sets = _code_sets(session, {record.serial for record in records})
    receipts = {codes.receipt_number for found in sets.values() for codes in found if codes.receipt_number}
    found = {receipt: applications.find(session, receipt) for receipt in sorted(receipts)}
    renewals = session.scalars(select(RenewalRow).where(RenewalRow.terminal.in_(subjects))).all()
    credentials = session.scalars(select(CredentialRow).where(CredentialRow.terminal.in_(subjects)))
    return Provenance(
        code_sets=sets,
        credentials={row.terminal: row for row in credentials},
        terminals=terminals.named(session, subjects),
        applications={receipt: application for receipt, application in found.items() if application},
        renewals={(row.issuer, row.serial): row for row in renewals},
        predecessors=certificates.of_serials(session, {(row.predecessor_issuer, row.predecessor) for row in renewals}),
        deeds=_deeds(session, {f"{'terminal' if one.is_terminal else 'service'}:{one.record.subject}" for one in examined}),
    )


def _code_sets(session: Session, serials: Collection[str]) -> Mapping[Name, Sequence[CodeSetRow]]:
    found: dict[Name, list[CodeSetRow]] = {}
    for row in session.scalars(select(CodeSetRow).where(CodeSetRow.serial.in_(serials))):
        if row.issuer is not None and row.serial is not None:
            found.setdefault((row.issuer, row.serial), []).append(row)
    return found


def _deeds(session: Session, subjects: Collection[str]) -> Mapping[Name, Sequence[AuditEntry]]:
    query = select(AuditEntry).where(AuditEntry.subject.in_(subjects), AuditEntry.action.in_(DEEDS))
    found: dict[Name, list[AuditEntry]] = {}
    for entry in session.scalars(query.order_by(AuditEntry.id)):
        found.setdefault((str(entry.facts.get("issuer")), str(entry.facts.get("serial"))), []).append(entry)
    return found


def _name(record: CertificateRecord) -> Name:
    return record.issuer, record.serial
