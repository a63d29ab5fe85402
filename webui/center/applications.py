"""Applications as staff read them: the queue and an application's page."""

from dataclasses import dataclass

import flask
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from enrollment import staff_views
from enrollment.staff_views import CodeSetView
from kernel import audit, outbox
from kernel.audit import PastDeed
from kernel.clock import tokyo_date
from registry import applications, offices
from registry.applications import Detail, workload
from registry.applications.workload import BY_ITSELF, Task
from registry.offices import Office
from registry.states import APPLICATION, ApplicationEvent, ApplicationState, TerminalState
from webui import downloads, guard
from webui.accounts import Role
from webui.center import listing, people
from webui.center.parts import center
from webui.center.people import actor_name
from webui.center.urgency import UNDER_REVIEW, Calendar, applied_warnings, start_warnings
from webui.doorway import doorway
from webui.texts import mark

blueprint = flask.Blueprint("applications", __name__, url_prefix="/applications")

_PAGE = 30
# The queue's tabs: those that wait for a task, those on their way, those at their end, all.
TASKS = {
    Task.REVIEW: mark("審査待ち"),
    Task.ANSWER: mark("回答待ち"),
    Task.PREPARE: mark("コード準備待ち"),
    Task.EXECUTE: mark("実施待ち"),
}
STAGES = {
    "open": mark("開始日待ち"),
    "ended": mark("終了"),
    "all": mark("すべて"),
}
_STATES = {
    "open": (ApplicationState.APPROVED, ApplicationState.PREPARED),
    "ended": (
        ApplicationState.COMPLETED,
        ApplicationState.REJECTED,
        ApplicationState.WITHDRAWN,
        ApplicationState.VOID,
        ApplicationState.CANCELLED,
    ),
    "all": (),
}


@dataclass(frozen=True)
class Possible:
    """What the reader may do to an application now; `prepare` is none for who approved it."""

    approve: bool
    query: bool
    reject: bool
    cancel: bool
    move: bool
    execute: bool
    prepare: bool
    is_approver: bool
    waits_for_codes: bool


@dataclass(frozen=True)
class Dossier:
    """All that an application's page shows."""

    detail: Detail
    office: Office
    code_sets: dict[str, CodeSetView]
    deeds: tuple[PastDeed, ...]
    mails: int
    failed_mails: int


@blueprint.get("/")
@guard.staff()
def queue() -> str:
    """Show the applications that wait, oldest first; or those of another tab, or those that were searched for.

    Where they have ended, or may have, the newest come first.
    """
    tabs = (*(task.value for task in TASKS), *STAGES)
    text = listing.searched()
    # A search looks at all applications unless a tab is named.
    tab = listing.chosen("tab", tabs, "all" if text else Task.REVIEW.value)
    with doorway().parts.database.snapshot() as session:
        found = applications.queue(
            session,
            states=_STATES.get(tab, ()),
            task=Task(tab) if tab in tuple(Task) else None,
            text=text,
            page=listing.page_number(),
            size=_PAGE,
        )
        named = offices.names(session, {line.application.office_code for line in found.records})
        counts = workload.counts(session)
    return flask.render_template(
        "queue.html",
        found=found,
        pager=listing.pager_of(found),
        offices=named,
        counts=counts,
        tab=tab,
        tabs={**TASKS, **STAGES},
        text=text,
        newest_first=tab in ("ended", "all"),
        calendar=_calendar(),
    )


@blueprint.get("/<number>")
@guard.staff()
def show(number: str) -> str:
    """Show an application: what was applied for, what became of it, and what can be done now."""
    now = doorway().parts.clock.now()
    with doorway().parts.database.snapshot() as session:
        dossier = read(session, number)
        application = dossier.detail.application
        standing = center().documents.standing_in(session, application)
        people.read_staff(session)
    today = tokyo_date(now)
    return flask.render_template(
        "application.html",
        dossier=dossier,
        detail=dossier.detail,
        application=application,
        possible=possible(dossier.detail),
        by_itself=BY_ITSELF,
        standing=standing,
        labels=_calendar().labels(application),
        file_url=lambda file_id: flask.url_for("applications.file", number=number, file_id=file_id),
        sender=actor_name,
        told_then=applied_warnings(dossier.detail.warnings),
        told_now=start_warnings(application.wished_start, today) if application.state in UNDER_REVIEW else (),
    )


@blueprint.get("/<number>/files/<string(length=32):file_id>")
@guard.staff()
def file(number: str, file_id: str) -> Response:
    """Hand out a file that the customer sent with an application or an answer."""
    return downloads.attachment(*center().attachments.read(number, file_id))


def read(session: Session, number: str) -> Dossier:
    """Read an application's page; 404 when there is no such application."""
    detail = applications.detail(session, number)
    office = offices.get(session, detail.application.office_code) if detail else None
    if detail is None or office is None:
        flask.abort(404)
    mails, failed_mails = outbox.tally(session, office.code, number)
    sets = staff_views.code_sets_of_application(session, number, doorway().parts.clock.now())
    return Dossier(
        detail=detail,
        office=office,
        code_sets={code_set.terminal: code_set for code_set in sets},
        deeds=audit.history(session, f"application:{number}"),
        mails=mails,
        failed_mails=failed_mails,
    )


def possible(detail: Detail) -> Possible:
    """Tell what the reader may do to an application in its present state."""
    application, person = detail.application, guard.person()
    reviews = person.may(Role.REVIEW)
    # Neither who approved nor who moved the start date prepares the codes.
    is_approver = str(person.actor) in (application.approver, application.mover)
    today = tokyo_date(doorway().parts.clock.now())
    waits_for_codes = application.state is ApplicationState.APPROVED and any(
        terminal.state in (TerminalState.PENDING, TerminalState.IN_SERVICE) for terminal in detail.terminals
    )

    def allowed(event: ApplicationEvent) -> bool:
        return reviews and APPLICATION.allows(application.state, event)

    under_way = application.state in (ApplicationState.APPROVED, ApplicationState.PREPARED)
    return Possible(
        approve=allowed(ApplicationEvent.APPROVE),
        query=allowed(ApplicationEvent.QUERY),
        reject=allowed(ApplicationEvent.REJECT),
        cancel=reviews and under_way,
        move=allowed(ApplicationEvent.MOVE) and application.start_date is not None and application.start_date > today,
        execute=reviews and under_way,
        prepare=person.may(Role.ISSUING) and waits_for_codes and not is_approver,
        is_approver=is_approver,
        waits_for_codes=waits_for_codes,
    )


def _calendar() -> Calendar:
    return Calendar.of(tokyo_date(doorway().parts.clock.now()))
