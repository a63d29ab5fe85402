"""What the terminals door answers in JSON, besides certificates."""

from datetime import date
from typing import Literal

from pydantic import Field

from ca.certificates import CertificateState
from enrollment.own_state import OwnState
from enrollment.protocols.json_bodies import AnswerBody, Instant
from enrollment.reissue_records import ReissueReason, ReissueState, ReissueView
from registry.states import SuspensionRule, TerminalState


class PermitAnswer(AnswerBody):
    """The terminal may log on now."""

    permitted: Literal[True] = True


class ReissueAnswer(AnswerBody):
    """A request for a reissue, and what became of it."""

    id: str
    terminal: str
    reason: ReissueReason
    state: ReissueState
    requested_at: Instant
    ready_on: date | None = Field(description="The day from which its codes can be had; null before it is accepted")
    ends_on: date | None = Field(description="The last day of the old certificate and of the codes; null before there are codes")


class HeldCertificate(AnswerBody):
    """The certificate that was presented."""

    serial: str
    state: CertificateState
    not_before: Instant
    not_after: Instant


class Span(AnswerBody):
    """Two instants."""

    start: Instant
    end: Instant


class RenewalPlan(AnswerBody):
    """When the certificate can be renewed, in days of Japan, and when its terminal had best do so."""

    first_day: date
    last_day: date
    possible_now: bool
    blocked_by_reissue: bool
    suggested_window: Span
    suggested: Instant = Field(description="One instant for each terminal inside the suggested window, always the same")


class SuspensionNotice(AnswerBody):
    """Since when a terminal is suspended, and why."""

    since: date
    rule: SuspensionRule | None = Field(description="The rule (1, 2 or 3) that suspended it; null where a person did")


class StateAnswer(AnswerBody):
    """What a terminal is told of itself."""

    answered_at: Instant = Field(description="The door's clock, by which everything here is judged")
    terminal: str
    office_code: str
    state: TerminalState
    suspension: SuspensionNotice | None = Field(description="Null unless the terminal is suspended")
    start_date: date
    certificate: HeldCertificate
    renewal: RenewalPlan
    reissue: ReissueAnswer | None = Field(description="The reissue that is under way; null where there is none")


def reissue_answer(reissue: ReissueView) -> ReissueAnswer:
    """Return what a terminal is told of a reissue."""
    return ReissueAnswer(
        id=reissue.id,
        terminal=reissue.terminal,
        reason=reissue.reason,
        state=reissue.state,
        requested_at=reissue.requested_at,
        ready_on=reissue.ready_on,
        ends_on=reissue.ends_on,
    )


def state_answer(state: OwnState) -> StateAnswer:
    """Return what a terminal is told of itself."""
    begin, end = state.window.spread
    return StateAnswer(
        answered_at=state.answered_at,
        terminal=state.terminal,
        office_code=state.office_code,
        state=state.state,
        suspension=_suspension(state),
        start_date=state.start_date,
        certificate=HeldCertificate(
            serial=state.certificate.serial,
            state=state.certificate.state,
            not_before=state.certificate.not_before,
            not_after=state.certificate.not_after,
        ),
        renewal=RenewalPlan(
            first_day=state.window.first_day,
            last_day=state.window.last_day,
            possible_now=state.may_renew,
            blocked_by_reissue=state.blocked_by_reissue,
            suggested_window=Span(start=begin, end=end),
            suggested=state.suggested,
        ),
        reissue=reissue_answer(state.reissue) if state.reissue else None,
    )


def _suspension(state: OwnState) -> SuspensionNotice | None:
    return SuspensionNotice.model_validate({"rule": None} | dict(state.suspension)) if state.suspension else None
