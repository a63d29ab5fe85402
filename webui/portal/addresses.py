"""Changes of addresses: one's own mail, an applicant's mail, the office's administrator; and where the links in mails lead."""

from collections.abc import Callable

import flask
from werkzeug.wrappers import Response

from kernel.errors import Refused
from registry import applications, offices
from registry.applicants import Contact, check_contact, check_mail, contact_form
from registry.faults import FieldFault
from webui import guard, step_up
from webui.account_words import sentence_of
from webui.accounts import Right, UserLetters
from webui.accounts.addresses import AddressChanges, Change
from webui.doorway import doorway
from webui.portal.apply import APPLICANT_FIELDS
from webui.portal.parts import office_code
from webui.refusals import SHARED
from webui.sheet import Sheet
from webui.texts import mark, say
from webui.words import fault_sentence

blueprint = flask.Blueprint("addresses", __name__)

ASKED = mark("確認のメールを送りました。変更前と変更後の両方のアドレスで承認されると、変更されます。")
SEND = mark("確認のメールを送る")
_MAIL_FIELDS = ("mail", "mail_again")


@blueprint.get("/mail-address")
@guard.customer()
def own_mail() -> str:
    """Show one's own mail address and the form for another."""
    return _mail_page(Sheet(), guard.person().mail)


@blueprint.post("/mail-address")
@guard.customer()
def change_own_mail() -> Response | str:
    """Ask for another mail address of one's own account."""
    return _changed_mail(guard.person().mail, lambda mail: changes().of_user(guard.person(), mail))


@blueprint.get("/applications/<string(length=7):receipt_number>/applicant-mail")
@guard.customer(right=Right.APPLY)
def applicant_mail(receipt_number: str) -> str:
    """Show an application's applicant's address and the form for another."""
    return _mail_page(Sheet(), _applicant(receipt_number).mail, receipt_number)


@blueprint.post("/applications/<string(length=7):receipt_number>/applicant-mail")
@guard.customer(right=Right.APPLY)
def change_applicant_mail(receipt_number: str) -> Response | str:
    """Ask for another mail address of an application's applicant."""
    present = _applicant(receipt_number).mail
    return _changed_mail(present, lambda mail: changes().of_applicant(guard.person(), receipt_number, mail), receipt_number)


@blueprint.get("/administrator")
@guard.customer(right=Right.ADMINISTRATOR)
def administrator() -> str:
    """Show the office's administrator, to be overwritten."""
    filled = {name: values[0] for name, values in contact_form(_administrator()).items()}
    return _administrator_page(Sheet(filled))


@blueprint.post("/administrator")
@guard.customer(right=Right.ADMINISTRATOR)
def change_administrator() -> Response | str:
    """Ask for another administrator of the office."""
    form = flask.request.form
    sheet = Sheet({name: form.get(name, "") for name in APPLICANT_FIELDS})
    contact = check_contact({name: [sheet[name]] for name in APPLICANT_FIELDS})
    if not isinstance(contact, Contact):
        faults = {fault.field: fault_sentence(fault) for fault in contact}
    else:
        if (question := step_up.question(button=say(SEND), back=flask.url_for("users.listed"))) is not None:
            return question
        try:
            changes().of_administrator(guard.person(), contact)
        except Refused as refused:
            faults = {"family_name": sentence_of(refused)}
        else:
            return _asked()
    return flask.make_response(_administrator_page(sheet.with_faults(faults)), 422)


@blueprint.post("/address-changes/withdraw")
@guard.customer(right=Right.USERS)
def withdraw() -> Response:
    """End a change that nobody wants any more."""
    changes().decline(flask.request.form.get("change", ""), guard.person().actor, office_code=office_code())
    flask.flash(mark("変更を取り下げました。"))
    return flask.redirect(flask.url_for("users.listed"), 303)


@blueprint.get("/account/mail")
@guard.public
def confirmation() -> str:
    """Show the form for the code of a link; nothing is confirmed by opening it."""
    return flask.render_template("address-confirmation.html", sheet=Sheet(), change=None)


@blueprint.post("/account/mail")
@guard.public
def confirm() -> Response | str:
    """Show the change that the link is about, then confirm it."""
    sheet = Sheet({"code": flask.request.form.get("code", "").strip()})
    is_confirmed = flask.request.form.get("step") == "do"
    try:
        change = changes().confirm(sheet["code"]) if is_confirmed else changes().look(sheet["code"])
    except Refused as refused:
        faulty = sheet.with_faults({"code": sentence_of(refused) if sheet["code"] else say(SHARED["required"].text)})
        return flask.make_response(flask.render_template("address-confirmation.html", sheet=faulty, change=None), 422)
    page = "address-confirmed.html" if is_confirmed else "address-confirmation.html"
    return flask.render_template(page, sheet=sheet, change=change)


def changes() -> AddressChanges:
    """Return the use cases of changing addresses."""
    parts = doorway().parts
    return AddressChanges(parts.database, parts.clock, UserLetters(parts.letters))


def _changed_mail(present: str, ask: Callable[[str], Change], receipt_number: str | None = None) -> Response | str:
    sheet = Sheet({name: flask.request.form.get(name, "").strip() for name in _MAIL_FIELDS})
    mail = check_mail("mail", sheet["mail"])
    faults = {}
    if isinstance(mail, FieldFault):
        faults["mail"] = fault_sentence(mail)
    elif check_mail("mail_again", sheet["mail_again"]) != mail:
        faults["mail_again"] = fault_sentence(FieldFault("mail_again", "mail-differs"))
    else:
        if (question := step_up.question(button=say(SEND), back=flask.request.path)) is not None:
            return question
        try:
            ask(mail)
        except Refused as refused:
            faults["mail"] = sentence_of(refused)
        else:
            return _asked(receipt_number)
    return flask.make_response(_mail_page(sheet.with_faults(faults), present, receipt_number), 422)


def _asked(receipt_number: str | None = None) -> Response:
    flask.flash(ASKED)
    if receipt_number is not None:
        return flask.redirect(flask.url_for("applications.show", receipt_number=receipt_number), 303)
    return flask.redirect(flask.url_for(doorway().furnishing.home), 303)


def _mail_page(sheet: Sheet, present: str, receipt_number: str | None = None) -> str:
    return flask.render_template("mail-address.html", sheet=sheet, present=present, receipt_number=receipt_number)


def _administrator_page(sheet: Sheet) -> str:
    return flask.render_template("administrator.html", sheet=sheet, present=_administrator())


def _administrator() -> Contact:
    with doorway().parts.database.snapshot() as session:
        office = offices.get(session, office_code())
    return office.administrator if office else flask.abort(404)


def _applicant(receipt_number: str) -> Contact:
    with doorway().parts.database.snapshot() as session:
        found = applications.find(session, receipt_number)
    if found is None or found.office_code != office_code():
        flask.abort(404)
    return found.applicant
