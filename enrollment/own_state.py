"""What a terminal is told of itself: state, dates, when to renew, and whether a reissue is under way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from ca.certificates import CertificateRecord, CertificateState
from enrollment import identity, reissue_records, suspensions
from enrollment.identity import Identity
from enrollment.reissue_records import ReissueState, ReissueView
from enrollment.renewal_window import DAYS, RenewalWindow, window_of
from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Refused
from registry.states import TerminalState


@dataclass(frozen=True)
class OwnState:
    """A terminal and its current certificate, as its holder may know them.

    `may_renew` is whether a renewal would be taken at `answered_at`; `blocked_by_reissue` why not in spite of the window;
    `suspension` since when and by which rule the terminal is suspended, as in a refusal (`enrollment.suspensions`).
    """

    answered_at: datetime
    terminal: str
    office_code: str
    state: TerminalState
    start_date: date
    certificate: CertificateRecord
    window: RenewalWindow
    suggested: datetime
    may_renew: bool
    blocked_by_reissue: bool
    suspension: Mapping[str, str | int]
    reissue: ReissueView | None


@dataclass(frozen=True)
class OwnStates:
    """Answers a terminal's question about itself; changes nothing."""

    database: Database
    clock: Clock
    window_days: int = DAYS

    def of(self, certificate: bytes | None) -> OwnState:
        """Return the state of whoever presents a certificate (DER).

        Raises Refused("E103") without one, "certificate-unreadable", "certificate-foreign", "terminal-abolished",
        "A0036" for one that is not the current one (`detail` revoked, superseded, replaced), "E104" after its end.
        """
        now = self.clock.now()
        if certificate is None:
            raise Refused("E103")
        with self.database.snapshot() as session:
            who = identity.identify(session, certificate)
            _require_current(who, now)
            known = reissue_records.of_terminal(session, who.terminal.name)
        window = window_of(who.certificate.not_after, self.window_days)
        reissue = next((one for one in known if one.is_open), None)
        blocked = reissue is not None and reissue.state != ReissueState.REQUESTED
        is_good = who.terminal.state == TerminalState.IN_SERVICE and who.certificate.state == CertificateState.VALID
        return OwnState(
            answered_at=now,
            terminal=who.terminal.name,
            office_code=who.terminal.office_code,
            state=who.terminal.state,
            start_date=who.terminal.start_date,
            certificate=who.certificate,
            window=window,
            suggested=window.suggested(who.terminal.name),
            may_renew=is_good and window.is_open(now) and not blocked,
            blocked_by_reissue=blocked,
            suspension=suspensions.facts_of(who.terminal),
            reissue=reissue,
        )


def _require_current(who: Identity, now: datetime) -> None:
    record = who.certificate
    if who.terminal.state == TerminalState.ABOLISHED:
        raise Refused("terminal-abolished", terminal=who.terminal.name)
    if record.state == CertificateState.REVOKED:
        raise Refused("A0036", detail="superseded" if record.reason == "superseded" else "revoked")
    if not who.is_current:
        raise Refused("A0036", detail="replaced")
    if now > record.not_after:
        raise Refused("E104", not_after=record.not_after.isoformat())
