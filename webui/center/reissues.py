"""再発行: requests for reissues as staff read them: what waits, for whom, and since when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import flask
from sqlalchemy.orm import Session

from enrollment import reissue_records
from enrollment.credentials import CertificateView, of_terminals
from enrollment.reissue_records import LIFECYCLE, ReissueEvent, ReissueState, ReissueView, Stage
from kernel import audit
from kernel.audit import PastDeed
from kernel.clock import tokyo_date
from registry import offices, terminals
from registry.offices import Office
from registry.terminals import Terminal
from webui import guard
from webui.accounts import Role
from webui.center import listing
from webui.center.terminals import RETRIEVABLE
from webui.doorway import doorway
from webui.reissuing import consequences
from webui.texts import mark, say
from webui.words import Label

blueprint = flask.Blueprint("reissues", __name__, url_prefix="/reissues")

TABS: Mapping[Stage, str] = {
    Stage.DECIDE: mark("判断を待つ再発行"),
    Stage.PREPARE: mark("コードの準備を待つ再発行"),
    Stage.LATE: mark("遅れている再発行"),
    Stage.OPEN: mark("手続き中"),
    Stage.ENDED: mark("終了"),
}
_PAGE = 30


@dataclass(frozen=True)
class ReissueFile:
    """All that a reissue's page shows. `certificate` is the terminal's current one; `others` are its other reissues."""

    reissue: ReissueView
    terminal: Terminal
    office: Office
    certificate: CertificateView | None
    others: tuple[ReissueView, ...]
    deeds: tuple[PastDeed, ...]


@dataclass(frozen=True)
class Possible:
    """What the reader may do to a reissue in its present state.

    `is_barred` is whether they asked for it or accepted it, and so do not prepare its codes.
    """

    accept: bool
    decline: bool
    withdraw: bool
    prepare: bool
    is_barred: bool
    waits_for_codes: bool


@blueprint.get("/")
@guard.staff()
def listed() -> str:
    """Show the reissues of a tab, those that wait for a decision at first; a search looks at all open ones."""
    text = listing.searched()
    stage = Stage(listing.chosen("tab", tuple(Stage), Stage.OPEN if text else Stage.DECIDE))
    with doorway().parts.database.snapshot() as session:
        found = reissue_records.search(session, stage, today(), text=text, page=listing.page_number(), size=_PAGE)
        counts = reissue_records.counts(session, today())
        codes = {reissue.office_code for reissue in found.records}
        named = {code: office for code in codes if (office := offices.get(session, code)) is not None}
    return flask.render_template(
        "reissues.html",
        found=found,
        pager=listing.pager_of(found),
        offices=named,
        counts=counts,
        tab=stage,
        tabs=TABS,
        text=text,
        labels={reissue.id: labels(reissue) for reissue in found.records},
    )


@blueprint.get("/<reissue_id>")
@guard.staff()
def show(reissue_id: str) -> str:
    """Show a reissue: who asked and why, the terminal's certificate, what acceptance does, and what can be done now."""
    file = of(reissue_id)
    reissue, certificate, now = file.reissue, file.certificate, doorway().parts.clock.now()
    return flask.render_template(
        "reissue.html",
        file=file,
        reissue=reissue,
        terminal=file.terminal,
        certificate=certificate,
        possible=possible(file),
        labels=labels(reissue),
        consequences=consequences(reissue.reason, certificate, now),
        is_retrievable=file.terminal.state in RETRIEVABLE,
        now=now,
    )


def of(reissue_id: str) -> ReissueFile:
    """Read a reissue's page; 404 when there is none."""
    with doorway().parts.database.snapshot() as session:
        reissue = reissue_records.find(session, reissue_id) or flask.abort(404)
        return _read(session, reissue)


def possible(file: ReissueFile) -> Possible:
    """Tell what the reader may do to a reissue in its present state."""
    person, reissue = guard.person(), file.reissue
    reviews, is_living = person.may(Role.REVIEW), file.terminal.state in RETRIEVABLE
    waits_for_codes = is_ready(reissue) and is_living
    is_barred = str(person.actor) in (reissue.requester, reissue.accepter)

    def allowed(event: ReissueEvent) -> bool:
        return reviews and LIFECYCLE.allows(reissue.state, event)

    return Possible(
        accept=allowed(ReissueEvent.ACCEPT) and is_living,
        decline=allowed(ReissueEvent.DECLINE),
        withdraw=allowed(ReissueEvent.WITHDRAW),
        prepare=person.may(Role.ISSUING) and waits_for_codes and not is_barred,
        is_barred=is_barred,
        waits_for_codes=waits_for_codes,
    )


def is_ready(reissue: ReissueView) -> bool:
    """Return whether its codes may be prepared today."""
    return reissue.state is ReissueState.ACCEPTED and reissue.ready_on is not None and reissue.ready_on <= today()


def labels(reissue: ReissueView) -> tuple[Label, ...]:
    """Return what staff should see first of a reissue, finished sentences."""
    found = []
    if reissue.is_open and reissue.reason.is_compromise:
        found.append(Label(say(mark("鍵が漏れたおそれ")), "bad"))
    if reissue_records.is_late(reissue, today()):
        found.append(Label(say(mark("遅れています")), "warn"))
    return tuple(found)


def today() -> date:
    """Return the day in Tokyo."""
    return tokyo_date(doorway().parts.clock.now())


def _read(session: Session, reissue: ReissueView) -> ReissueFile:
    terminal, office = terminals.get(session, reissue.terminal), offices.get(session, reissue.office_code)
    if terminal is None or office is None:
        flask.abort(404)
    subject = f"terminal:{terminal.name}"
    return ReissueFile(
        reissue=reissue,
        terminal=terminal,
        office=office,
        certificate=of_terminals(session, [terminal.name]).get(terminal.name),
        others=tuple(one for one in reissue_records.of_terminal(session, terminal.name) if one.id != reissue.id),
        deeds=tuple(deed for deed in audit.history(session, subject) if deed.facts.get("reissue") == reissue.id),
    )
