"""What is the matter with a terminal, as far as the center knows: findings without words, for its office and the help desk.

    examine(session, name, now, terms) -> Diagnosis | None

The terminal's own client looks at the PC and the way to us (`enrollment.client.doctor`); this looks at the records, and needs
nothing of the PC. It changes nothing. Words stand at the edge, by topic.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from ca import standing
from ca.certificates import CertificateState
from enrollment import logon, logon_refusals, reissue_records, staff_views, successions
from enrollment.client.findings import Verdict
from enrollment.code_sets import CodeSetState
from enrollment.logon_refusals import LogonRefusal
from enrollment.reissue_records import ReissueState, ReissueView
from enrollment.renewal_window import DAYS, window_of
from enrollment.staff_views import CodeSetView, IssuedCertificate
from enrollment.successions import RenewalState
from enrollment.tables import RenewalRow
from kernel import throttle
from kernel.clock import day_start, tokyo_date
from registry import applications, bulletin, terminals
from registry.calendar import suspension_day
from registry.states import ApplicationState, TerminalState
from registry.terminals import Terminal

__all__ = ["Check", "Diagnosis", "Fact", "Finding", "Terms", "Verdict", "examine"]

# So near to its end, a certificate that could be renewed and was not is a fault.
URGENT = timedelta(days=7)
# A former certificate, or a refused logon, explains nothing any more after so long.
RECENT = timedelta(days=90)
# Dates and instants are text in ISO 8601; the names of the former end in `_on`, of the latter in `_at`.
Fact = str | int


class Check(StrEnum):
    """What is looked at, in this order."""

    SERVICE = "service"
    TERMINAL = "terminal"
    CODES = "codes"
    CERTIFICATE = "certificate"
    LOGON = "logon"
    RENEWAL = "renewal"
    REISSUE = "reissue"


@dataclass(frozen=True)
class Finding:
    """The outcome of a look. `topic` is what the words are found by, `code` one that the help desk and the bulletin know."""

    check: Check
    verdict: Verdict
    topic: str
    code: str | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnosis:
    """All findings about a terminal at an instant; `can_log_on` is what the records say, whatever the PC is like."""

    terminal: str
    office_code: str
    at: datetime
    can_log_on: bool
    findings: tuple[Finding, ...]

    @property
    def main(self) -> Finding | None:
        """What to mend first: the first fault, or what else keeps the terminal from logging on; None when nothing does.

        What is ours to mend comes after what the office can do.
        """
        found = [one for one in self.findings if one.verdict is Verdict.FAULT]
        faults = sorted(found, key=lambda one: one.check is Check.SERVICE)
        if faults or self.can_log_on:
            return faults[0] if faults else None
        told = (one for one in self.findings if one.verdict is Verdict.NOTICE and one.check is not Check.SERVICE)
        return next(told, None)


@dataclass(frozen=True)
class Terms:
    """From how many days before a certificate's end it is renewed; `fixed_end` is the last day that no renewal passes."""

    window_days: int = DAYS
    fixed_end: date | None = None


def examine(session: Session, name: str, now: datetime, terms: Terms) -> Diagnosis | None:
    """Look at everything that is on record of a terminal; None when there is no such one."""
    terminal = terminals.get(session, name)
    if terminal is None:
        return None
    look = _Look.at(session, terminal, now, terms)
    return Diagnosis(name, terminal.office_code, now, look.can_log_on, tuple(look.findings()))


@dataclass(frozen=True)
class _Look:
    terminal: Terminal
    now: datetime
    terms: Terms
    application: ApplicationState | None
    codes: CodeSetView | None
    certificates: tuple[IssuedCertificate, ...]
    renewal: RenewalRow | None
    renewed: Mapping[str, str]
    reissues: tuple[ReissueView, ...]
    wrong_keys: throttle.Standing
    refusals: tuple[LogonRefusal, ...]
    service: tuple[Finding, ...]

    @classmethod
    def at(cls, session: Session, terminal: Terminal, now: datetime, terms: Terms) -> "_Look":
        """Read what belongs to a terminal."""
        name = terminal.name
        known = staff_views.certificates_of(session, name)
        current = next((one for one in known if one.is_current), None)
        application = applications.find(session, terminal.receipt_number) if terminal.receipt_number else None
        sets = staff_views.code_sets_of(session, name, now)
        renewals = session.scalars(select(RenewalRow).where(RenewalRow.terminal == name))
        return cls(
            terminal=terminal,
            now=now,
            terms=terms,
            application=application.state if application else None,
            codes=sets[0] if sets else None,
            certificates=known,
            renewal=successions.open_one(session, name),
            renewed={row.predecessor: row.serial for row in renewals if row.current_at is not None},
            reissues=reissue_records.of_terminal(session, name),
            wrong_keys=logon.wrong_keys(session, current.issuer, current.serial, now) if current else throttle.Standing(0, 0),
            refusals=logon_refusals.of_terminal(session, name),
            service=tuple(_service(session, current, now)),
        )

    @property
    def current(self) -> IssuedCertificate | None:
        """The current certificate."""
        return next((one for one in self.certificates if one.is_current), None)

    @property
    def begins_at(self) -> datetime:
        """From when the terminal can log on."""
        start = day_start(self.terminal.start_date)
        return max(start, self.current.not_before) if self.current else start

    @property
    def can_log_on(self) -> bool:
        """Whether the logon check lets the terminal pass, with its certificate and its access key."""
        current = self.current
        is_good = current is not None and current.state is CertificateState.VALID and self.now <= current.not_after
        is_open = self.now >= self.begins_at and not self.wrong_keys.locked_for
        return is_good and is_open and self.terminal.state is TerminalState.IN_SERVICE

    @property
    def is_redeemable(self) -> bool:
        """Whether there are codes that a certificate can be retrieved with now."""
        codes = self.codes
        is_living = codes is not None and codes.state in _REDEEMABLE and tokyo_date(self.now) <= codes.expires_on
        is_stopped = self.terminal.state is TerminalState.SUSPENDED
        return is_living and codes is not None and codes.locked_until is None and not is_stopped

    def findings(self) -> Iterator[Finding]:
        """Find what there is, in the order of the checks."""
        yield from self.service
        yield self._terminal()
        if self.terminal.state is TerminalState.ABOLISHED:
            return
        yield from self._codes()
        yield from self._certificate()
        yield from self._former()
        yield from self._logon()
        yield from self._renewal()
        yield from self._reissue()

    def _terminal(self) -> Finding:
        terminal = self.terminal
        if terminal.state is TerminalState.ABOLISHED:
            return _fault(Check.TERMINAL, "terminal-abolished", "A0010", changed_at=terminal.changed_at.isoformat())
        if terminal.state is TerminalState.SUSPENDED:
            rule = terminal.suspension_rule
            topic = "suspended-by-staff" if rule is None else f"suspended-by-rule-{int(rule)}"
            return _fault(Check.TERMINAL, topic, "A0014", since_on=_day(terminal.suspended_at or terminal.changed_at))
        if self.now < self.begins_at:
            return _notice(Check.TERMINAL, "start-ahead", "A0006", start_on=_day(self.begins_at))
        topic = "terminal-pending" if terminal.state is TerminalState.PENDING else "terminal"
        return _good(Check.TERMINAL, topic, start_on=terminal.start_date.isoformat())

    def _codes(self) -> Iterator[Finding]:
        codes = self.codes
        if codes is None:
            if self.current is None:
                topic = "approval-waits" if self.application in _UNDECIDED else "codes-none"
                yield _notice(Check.CODES, topic, "E103")
        elif codes.state is CodeSetState.REDEEMED:
            yield _good(Check.CODES, "codes-redeemed", redeemed_at=_instant(codes.redeemed_at))
        elif codes.is_open:
            yield self._open_codes(codes)
            if codes.failures and codes.locked_until is None:
                yield _notice(
                    Check.CODES,
                    "codes-mistyped",
                    "codes-wrong",
                    failures=codes.failures,
                    receipt_number=codes.receipt_number or "",
                )
        elif codes.state is CodeSetState.EXPIRED and not self._retrieved_after(codes):
            yield _fault(Check.CODES, "codes-expired", "codes-expired", expires_on=codes.expires_on.isoformat())

    def _open_codes(self, codes: CodeSetView) -> Finding:
        last = {"expires_on": codes.expires_on.isoformat(), "receipt_number": codes.receipt_number or ""}
        if tokyo_date(self.now) > codes.expires_on:
            return _fault(Check.CODES, "codes-expired", "codes-expired", **last)
        if codes.state is CodeSetState.FROZEN:
            return self._frozen(codes)
        if codes.locked_until is not None:
            return _fault(Check.CODES, "codes-locked", "throttled", until_at=codes.locked_until.isoformat(), **last)
        if codes.state is CodeSetState.CLAIMED:
            return _notice(Check.CODES, "codes-claimed", None, claimed_at=_instant(codes.claimed_at), **last)
        if codes.last_shown_at is None:
            return _notice(Check.CODES, "codes-unread", None, **last)
        return _notice(Check.CODES, "codes-unredeemed", None, read_at=codes.last_shown_at.isoformat(), **last)

    def _frozen(self, codes: CodeSetView) -> Finding:
        freeze = codes.freeze
        if freeze is None:
            topic = "codes-frozen-with-terminal" if self.terminal.state is TerminalState.SUSPENDED else "codes-frozen-by-staff"
            return _fault(Check.CODES, topic, "codes-frozen")
        waits = "staff" if freeze.consent_at else "consent"
        said = {"frozen_at": freeze.frozen_at.isoformat(), "receipt_number": codes.receipt_number or ""}
        return _fault(Check.CODES, f"codes-frozen-{waits}", "codes-frozen", **said)

    def _retrieved_after(self, codes: CodeSetView) -> bool:
        current = self.current
        return current is not None and current.issued_at is not None and current.issued_at > codes.prepared_at

    def _certificate(self) -> Iterator[Finding]:
        current = self.current
        if current is None:
            if self.codes is not None:
                yield _notice(Check.CERTIFICATE, "certificate-none" if self.is_redeemable else "certificate-none-yet", "E103")
            return
        facts: dict[str, Fact] = {"serial": current.serial, "last_on": _day(current.not_after)}
        if current.state is CertificateState.REVOKED:
            said = {"revoked_at": _instant(current.revoked_at), "reason": current.reason or "unspecified"}
            topic = "certificate-compromised" if current.reason == "keyCompromise" else "certificate-revoked"
            yield _fault(Check.CERTIFICATE, topic, "A0036", **facts, **said)
        elif self.now > current.not_after:
            suspended = suspension_day(tokyo_date(current.not_after)).isoformat()
            yield _fault(Check.CERTIFICATE, "certificate-expired", "E104", **facts, suspended_on=suspended)
        elif current.state is CertificateState.HELD:
            yield _fault(Check.CERTIFICATE, "certificate-held", "A0014", **facts)
        else:
            yield _good(Check.CERTIFICATE, "certificate", issued_at=_instant(current.issued_at), **facts)

    def _former(self) -> Iterator[Finding]:
        """Tell of the certificate before: a PC that still has it is the wrong one."""
        former = next((one for one in self.certificates if not one.is_current and one.reason == "superseded"), None)
        if former is None or former.revoked_at is None or self.now - former.revoked_at > RECENT:
            return
        facts: dict[str, Fact] = {"serial": former.serial, "revoked_at": former.revoked_at.isoformat()}
        topic = "superseded-by-renewal" if former.serial in self.renewed else "superseded"
        ended = [one for one in self.reissues if one.state is ReissueState.COMPLETED and one.ended_at == former.revoked_at]
        if ended:
            topic = "superseded-by-reissue"
            facts |= {"reason": ended[0].reason.value, "requested_on": _day(ended[0].requested_at)}
        yield _notice(Check.CERTIFICATE, topic, "A0036", **facts)

    def _logon(self) -> Iterator[Finding]:
        if self.wrong_keys.locked_for:
            until = self.now + timedelta(seconds=self.wrong_keys.locked_for)
            yield _fault(Check.LOGON, "logon-locked", "throttled", until_at=until.isoformat())
        elif self.wrong_keys.failures:
            yield _notice(Check.LOGON, "logon-mistyped", "A0018", failures=self.wrong_keys.failures)
        for one in self.refusals:
            if self.now - one.last_at <= RECENT:
                is_old = self.current is not None and one.serial != self.current.serial
                said: dict[str, Fact] = {"last_at": one.last_at.isoformat(), "times": one.times, "serial": one.serial}
                yield _notice(Check.LOGON, "logon-refused-elsewhere" if is_old else "logon-refused", one.code, **said)
        if self.can_log_on:
            yield _good(Check.LOGON, "logon")

    def _renewal(self) -> Iterator[Finding]:
        current = self.current
        if current is None or current.state is not CertificateState.VALID or self.now > current.not_after:
            return
        window = window_of(current.not_after, self.terms.window_days)
        facts = {"first_on": window.first_day.isoformat(), "last_on": window.last_day.isoformat()}
        if self.terms.fixed_end is not None and window.last_day >= self.terms.fixed_end:
            yield _good(Check.RENEWAL, "renewal-final", **facts)
        elif any(one.state in reissue_records.ACCEPTED for one in self.reissues):
            yield _notice(Check.RENEWAL, "renewal-blocked", "reissue-pending", **facts)
        elif self.renewal is not None and self.renewal.state in (RenewalState.CLAIMED, RenewalState.AWAITING):
            yield _notice(Check.RENEWAL, "renewal-unfinished", None, **facts)
        elif not window.is_open(self.now):
            yield _good(Check.RENEWAL, "renewal", **facts)
        elif current.not_after - self.now < URGENT:
            yield _fault(Check.RENEWAL, "renewal-urgent", "E104", **facts)
        else:
            yield _notice(Check.RENEWAL, "renewal-open", None, **facts)

    def _reissue(self) -> Iterator[Finding]:
        reissue = next((one for one in self.reissues if one.is_open), None)
        if reissue is None:
            return
        facts: dict[str, Fact] = {"reissue": reissue.id, "reason": reissue.reason.value}
        if reissue.state is ReissueState.REQUESTED:
            yield _notice(Check.REISSUE, "reissue-requested", None, **facts, requested_on=_day(reissue.requested_at))
        elif reissue.state is ReissueState.ACCEPTED and reissue.ready_on is not None:
            yield _notice(Check.REISSUE, "reissue-accepted", None, **facts, ready_on=reissue.ready_on.isoformat())
        elif reissue.ends_on is not None:
            topic = "reissue-prepared" if self.is_redeemable else "reissue-prepared-closed"
            yield _notice(Check.REISSUE, topic, None, **facts, ends_on=reissue.ends_on.isoformat())


_REDEEMABLE = (CodeSetState.PREPARED, CodeSetState.CLAIMED)
# Nobody has approved these yet.
_UNDECIDED = (ApplicationState.APPLIED, ApplicationState.QUERIED)


def _service(session: Session, current: IssuedCertificate | None, now: datetime) -> Iterator[Finding]:
    """Find what is the matter with us."""
    over = standing.list_over_since(session, current.issuer, now) if current else None
    if over is not None:
        yield _fault(Check.SERVICE, "service-list-over", "E111", since_at=over.isoformat())
    told = bulletin.urgent(session, now)
    for notice in told:
        said: dict[str, Fact] = {"number": notice.id, "title_ja": notice.content.title_ja, "title_en": notice.content.title_en}
        yield _notice(Check.SERVICE, "service-notice", None, **said)
    if over is None and not told:
        yield _good(Check.SERVICE, "service")


def _good(check: Check, topic: str, **facts: Fact) -> Finding:
    return Finding(check, Verdict.GOOD, topic, None, facts)


def _notice(check: Check, topic: str, code: str | None, **facts: Fact) -> Finding:
    return Finding(check, Verdict.NOTICE, topic, code, facts)


def _fault(check: Check, topic: str, code: str, **facts: Fact) -> Finding:
    return Finding(check, Verdict.FAULT, topic, code, facts)


def _day(instant: datetime) -> str:
    return tokyo_date(instant).isoformat()


def _instant(instant: datetime | None) -> str:
    return instant.isoformat() if instant else ""
