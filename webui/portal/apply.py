"""The pages of a change of contract, in the reference's order: guidance, items and wished date, applicant, what changes."""

from collections import Counter

import flask
from werkzeug.wrappers import Response

from registry import applications, calendar, offices, rows
from registry import schedule as published_dates
from registry.applicants import contact_form
from registry.calendar import STANDARD_LEAD, StartWarning, read_day
from registry.drafts import Section
from registry.faults import first
from registry.items import OF_KIND, TERMINALS
from registry.states import DeviceClass, SystemClass
from webui import guard, months
from webui.accounts import Right
from webui.doorway import doorway
from webui.portal import turning, wizard
from webui.portal.kinds import KindBlueprint, correcting, kind
from webui.portal.parts import customer, office_code, portal
from webui.texts import gettext, mark
from webui.words import DEVICE_CLASSES, SYSTEM_CLASSES, item_groups

blueprint = KindBlueprint("apply", __name__)

APPLICANT_FIELDS = (
    "family_name",
    "given_name",
    "family_kana",
    "given_kana",
    "department",
    "title",
    "phone",
    "fax",
    "mail",
    "mail_again",
)


@blueprint.get("")
@guard.customer(right=Right.APPLY)
def guidance() -> str:
    """Explain the four steps, and offer to go on with what was begun."""
    wizard.require_open()
    draft = portal().drafts.load(customer(), kind(), correcting())
    return flask.render_template("apply-guidance.html", kind=kind(), draft=draft, correcting=correcting())


@blueprint.post("")
@guard.customer(right=Right.APPLY)
def begin() -> Response:
    """Begin a draft, or go on with the one there is where it still needs the customer."""
    if correcting():
        # All is filled in: what is to be corrected is chosen on the confirmation, unless something must be.
        portal().corrections.begin(customer(), correcting())
    else:
        portal().drafts.begin(customer(), kind())
    return flask.redirect(wizard.address(wizard.progress().first_open()), 303)


@blueprint.post("/discard")
@guard.customer(right=Right.APPLY)
def discard() -> Response:
    """Forget the draft."""
    portal().drafts.discard(customer(), flask.request.form.get("draft", ""))
    flask.flash(mark("作成途中の申込を破棄しました。"))
    if correcting():
        return flask.redirect(flask.url_for("applications.show", receipt_number=correcting()), 303)
    return flask.redirect(flask.url_for("apply.guidance"), 303)


@blueprint.get("/items")
@guard.customer(right=Right.APPLY)
def items() -> str:
    """Show the table of change items and the wished start date."""
    present = wizard.at(Section.CHOICE)
    typed = present.draft.section(Section.CHOICE)
    return flask.render_template(
        "apply-items.html",
        present=present,
        steps=wizard.steps(),
        sheet=present.sheet(Section.CHOICE),
        groups=() if kind() in OF_KIND else item_groups(),
        # Most come for terminals; the boxes stay as they were left.
        ticked=typed.get("items", [] if typed else [TERMINALS]),
        lead=STANDARD_LEAD,
    )


@blueprint.post("/items")
@guard.customer(right=Right.APPLY)
def choose_items() -> Response:
    """Keep the choice; a date that may not be met is told before going on."""
    present = wizard.save(wizard.at(Section.CHOICE), Section.CHOICE, wizard.typed_form("items", "wished_start"))
    if flask.request.form.get("then") == "schedule":
        return flask.redirect(flask.url_for("apply.schedule"), 303)
    if not wizard.goes_back() and _warnings(present):
        return flask.redirect(flask.url_for("apply.start_date"), 303)
    return wizard.go_on(present, Section.CHOICE)


@blueprint.get("/schedule")
@guard.customer()
def schedule() -> str:
    """Show the months with their business days, holidays and start dates; a start date is chosen by a press."""
    today = wizard.today()
    with doorway().parts.database.snapshot() as session:
        published = published_dates.read(session)
    may_apply = guard.person().may(Right.APPLY)
    draft = portal().drafts.load(customer(), kind(), correcting()) if may_apply else None
    return flask.render_template(
        "apply-schedule.html",
        pages=months.around(flask.request.args.get("month", ""), today, published),
        published=published,
        earliest=calendar.add_business_days(today, STANDARD_LEAD),
        better=published.next(calendar.add_business_days(today, STANDARD_LEAD)),
        lead=STANDARD_LEAD,
        has_draft=draft is not None,
        wished=read_day(first(draft.section(Section.CHOICE), "wished_start"), field="wished_start") if draft else None,
        **months.facts(),
    )


@blueprint.post("/schedule")
@guard.customer(right=Right.APPLY)
def choose_date() -> Response:
    """Put the pressed day into the application and lead back to the page that it belongs to."""
    present = wizard.progress()
    typed = {**present.draft.section(Section.CHOICE), **wizard.typed_form("wished_start")}
    if present.choice is None and "items" not in typed:
        typed["items"] = [] if kind() in OF_KIND else [TERMINALS]
    wizard.save(present, Section.CHOICE, typed)
    return flask.redirect(flask.url_for("apply.items", _anchor="wished_start"), 303)


@blueprint.get("/start-date")
@guard.customer(right=Right.APPLY)
def start_date() -> Response | str:
    """Tell what may come of the wished date; going on confirms it."""
    present = wizard.at(Section.APPLICANT) if wizard.progress().choice else wizard.at(Section.CHOICE)
    warnings = _warnings(present)
    if not warnings:
        return flask.redirect(flask.url_for("apply.applicant"), 303)
    return flask.render_template(
        "apply-start-date.html", present=present, steps=wizard.steps(), warnings=warnings, lead=STANDARD_LEAD
    )


@blueprint.get("/applicant")
@guard.customer(right=Right.APPLY)
def applicant() -> str:
    """Show the applicant, filled in with the last one, or with the administrator the first time."""
    present = wizard.at(Section.APPLICANT)
    with doorway().parts.database.snapshot() as session:
        last, office = applications.last_applicant(session, office_code()), offices.get(session, office_code())
    known = last or (office.administrator if office else None)
    sheet = present.sheet(Section.APPLICANT, contact_form(known) if known else None)
    return flask.render_template("apply-applicant.html", present=present, steps=wizard.steps(), sheet=sheet)


@blueprint.post("/applicant")
@guard.customer(right=Right.APPLY)
def enter_applicant() -> Response:
    """Keep the applicant."""
    present = wizard.save(wizard.at(Section.APPLICANT), Section.APPLICANT, wizard.typed_form(*APPLICANT_FIELDS))
    return wizard.go_on(present, Section.APPLICANT)


@blueprint.get("/terminals")
@guard.customer(right=Right.APPLY)
def terminals() -> str:
    """Show how many terminals to add of each kind, and what may become of the existing ones; of many, a page of them."""
    present = wizard.at(Section.TERMINALS)
    own = present.situation.terminals
    part = _part(present) if turning.is_long(own) else None
    return flask.render_template(
        "apply-terminals.html",
        present=present,
        steps=wizard.steps(),
        sheet=turning.sheet_of(present, Section.TERMINALS, part),
        part=part,
        terminals=[terminal for terminal in own if part is None or terminal.name in part.refs],
        counts=Counter((terminal.device_class, terminal.system_class) for terminal in own),
        abolished=present.draft.section(Section.TERMINALS).get("abolish", []),
        devices=list(DeviceClass),
        systems=list(SystemClass),
    )


@blueprint.post("/terminals")
@guard.customer(right=Right.APPLY)
def enter_terminals() -> Response:
    """Keep the terminals' page, or the part of it that was shown; then go on, or to another part."""
    present = wizard.at(Section.TERMINALS)
    own, form = present.situation.terminals, flask.request.form
    additions = [f"add.{device}.{system}" for device in DeviceClass for system in SystemClass]
    changes = [name for name in (f"class.{terminal.name}" for terminal in own) if name in form]
    sent = wizard.typed_form(*additions, *changes, "abolish")
    present = wizard.revise(present, Section.TERMINALS, rows.revised_terminals(sent, turning.shown(), own))
    return turning.turned(Section.TERMINALS) or wizard.go_on(present, Section.TERMINALS)


def _part(present: wizard.Progress) -> turning.Part:
    own = {terminal.name: terminal for terminal in present.situation.terminals}
    typed = present.draft.section(Section.TERMINALS)
    changed = rows.changed_terminals(typed, own.values())
    listed = turning.Listed({name: name for name in own}, changed, turning.faults_of(present, Section.TERMINALS))

    def words(name: str) -> str:
        one = own[name]
        return f"{name} {gettext(SYSTEM_CLASSES[one.system_class])} {DEVICE_CLASSES[one.device_class]} {one.package_class}"

    return turning.part_of(listed, words)


def _warnings(present: wizard.Progress) -> tuple[StartWarning, ...]:
    if present.choice is None:
        return ()
    return calendar.warnings(present.choice.wished_start, present.situation.today, present.situation.published)
