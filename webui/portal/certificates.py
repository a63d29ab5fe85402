"""証明書: all certificates of the office's terminals, when they end, one of them with its proofs, and those nobody asked for."""

from datetime import datetime

import flask
from werkzeug.wrappers import Response

from enrollment import office_certificates, receipts, reissue_records, staff_views
from enrollment.office_certificates import Asked, Choice, Origin, OriginKind, OwnCertificate
from registry import terminals
from registry.states import TerminalState
from webui import downloads, guard
from webui.accounts import Right
from webui.certificate_words import CHOICES
from webui.doorway import doorway
from webui.portal import expiry
from webui.portal.parts import office_code, portal
from webui.texts import gettext, mark, say

blueprint = flask.Blueprint("certificates", __name__, url_prefix="/certificates")

_PAGE = 30
_LIVING = (TerminalState.PENDING, TerminalState.IN_SERVICE)
_ONE = "/<string(length=6):terminal>/<serial>"
_FORMS = {"pem": "application/pem-certificate-chain", "cer": "application/pkix-cert"}
_ACTIONS = {"issue": "certificate.issue", "revoke": "certificate.revoke"}


@blueprint.get("/")
@guard.customer()
def listed() -> str:
    """List certificates by choice and text, page by page, below the chart of their ends."""
    query, now, days = flask.request.args, _now(), portal().renewal_terms.days
    choice = Choice(query["choice"]) if query.get("choice") in tuple(Choice) else Choice.ALL
    asked = Asked(choice, query.get("q", "").strip(), query.get("page", 1, type=int), _PAGE, days)
    with doorway().parts.database.snapshot() as session:
        found, ending = office_certificates.overview(session, office_code(), asked, now)
    bars = expiry.bars(ending, now)
    kept = {"choice": choice.value, "q": asked.text}
    return flask.render_template("certificates.html", found=found, bars=bars, asked=kept, choices=CHOICES, now=now)


@blueprint.get("/unasked")
@guard.customer()
def unasked() -> str:
    """List the certificates that nobody of the office applied for, asked to be reissued, or renewed."""
    with doorway().parts.database.snapshot() as session:
        found = office_certificates.unasked(session, office_code())
    lines = [(one, *_origin(one.origin)) for one in found]
    strange = [one for one in found if one.origin.kind is OriginKind.UNKNOWN]
    return flask.render_template("certificates-unasked.html", lines=lines, strange=strange, now=_now())


@blueprint.get("/calendar.ics")
@guard.customer()
def calendar() -> flask.Response:
    """Hand out the last days as a calendar file."""
    with doorway().parts.database.snapshot() as session:
        ending = office_certificates.ending(session, office_code())
    content = expiry.calendar(ending, _now(), portal().renewal_terms.days)
    return downloads.file(content, "text/calendar; charset=utf-8", f"certificates-{office_code()}.ics")


@blueprint.get("/list.csv")
@guard.customer()
def spreadsheet() -> flask.Response:
    """Hand out the current certificates as a list for spreadsheets."""
    with doorway().parts.database.snapshot() as session:
        rows = office_certificates.ending_with_octets(session, office_code())
    return expiry.spreadsheet(f"certificates-{office_code()}.csv", rows, _now(), portal().renewal_terms.days)


@blueprint.get(_ONE)
@guard.customer()
def show(terminal: str, serial: str) -> str:
    """Show a certificate: state, dates, how it came about, its files and proofs, and what can be done with it."""
    own, now = _own(terminal, serial), _now()
    with doorway().parts.database.snapshot() as session:
        known = terminals.get(session, terminal) or flask.abort(404)
        reissue = reissue_records.open_of(session, [terminal]).get(terminal)
    may_apply = guard.person().may(Right.APPLY)
    deed, asker = _origin(own.origin)
    return flask.render_template(
        "certificate.html",
        own=own,
        certificate=own.certificate,
        terminal=known,
        deed=deed,
        asker=asker,
        reissue=reissue,
        may_reissue=own.is_current and may_apply and reissue is None and known.state in _LIVING,
        may_revoke=own.is_current and may_apply and own.certificate.state.value in ("valid", "held"),
        now=now,
    )


@blueprint.get(_ONE + ".<any(pem, cer):form>")
@guard.customer()
def file(terminal: str, serial: str, form: str) -> flask.Response:
    """Hand out a certificate as PEM or DER."""
    own = _own(terminal, serial)
    content = staff_views.as_pem(own.der).encode("ascii") if form == "pem" else own.der
    return downloads.file(content, _FORMS[form], f"{terminal}-{serial}.{form}")


@blueprint.get(_ONE + "/chain.pem")
@guard.customer()
def chain(terminal: str, serial: str) -> flask.Response:
    """Hand out a certificate with those above it, without the root, as PEM."""
    own = _own(terminal, serial)
    content = (staff_views.as_pem(own.der) + own.chain_pem).encode("ascii")
    return downloads.file(content, _FORMS["pem"], f"{terminal}-{serial}-chain.pem")


@blueprint.get(_ONE + "/<any(issue, revoke):act>.json")
@guard.customer()
def proof(terminal: str, serial: str, act: str) -> Response:
    """Hand out the log's proof of an issuance or a revocation; what is not sealed yet is so within a minute."""
    own = _own(terminal, serial)
    with doorway().parts.database.snapshot() as session:
        text = receipts.proof_of(session, own.record, office_code(), check=portal().log_check, action=_ACTIONS[act])
    if text is None:
        flask.flash(say(mark("証明はまだ準備できていません。1分ほど待ってから、もう一度お試しください。")), "warn")
        return flask.redirect(flask.url_for("certificates.show", terminal=terminal, serial=serial), 303)
    return downloads.file(text, "application/json", f"{act}-{terminal}-{serial}.json")


def _own(terminal: str, serial: str) -> OwnCertificate:
    """Return a certificate of the visitor's office; 404 for any other."""
    with doorway().parts.database.snapshot() as session:
        found = office_certificates.find(session, office_code(), terminal, serial)
    return found or flask.abort(404)


def _origin(origin: Origin) -> tuple[str, str]:
    """Return by which deed a certificate was made, and who asked for it, finished sentences."""
    deeds = {
        OriginKind.APPLICATION: mark("申込%(reference)sによる取得"),
        OriginKind.REISSUE: mark("再発行による取得"),
        OriginKind.RENEWAL: mark("更新(前の証明書: %(reference)s)"),
        OriginKind.GENERATION: mark("システムの世代変更「%(reference)s」による取得"),
        OriginKind.TAKEOVER: mark("申込によらず、センターが準備したコードによる取得"),
        OriginKind.UNKNOWN: mark("記録がありません"),
    }
    return say(deeds[origin.kind], reference=origin.reference or ""), _asker(origin.asked_by)


def _asker(actor: str | None) -> str:
    """Return who asked, as the office may know it: staff are the center."""
    kind, _, name = (actor or "").partition(":")
    if kind == "customer":
        return name.rpartition("/")[2]
    if kind == "terminal":
        return say(mark("端末%(terminal)s"), terminal=name)
    return gettext(mark("センター")) if kind else "—"


def _now() -> datetime:
    return doorway().parts.clock.now()
