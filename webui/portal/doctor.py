"""端末の診断: what is the matter with a terminal of the office, in plain words, and a number under which it is kept.

Reading keeps nothing; who wants the help desk to see the very same view has it kept by a button.
"""

import flask
from werkzeug.wrappers import Response

from enrollment.diagnosis import Finding
from enrollment.diagnosis_cases import Case
from kernel.errors import Refused
from registry import terminals
from registry.states import TerminalState
from webui import guard
from webui.accounts import Right
from webui.diagnosing import Lead, bulletin_address, report
from webui.diagnosis_topics import Way
from webui.doorway import doorway
from webui.portal.parts import office_code, portal
from webui.refusals import SHARED, sentence_of

blueprint = flask.Blueprint("doctor", __name__, url_prefix="/terminals/<string(length=6):terminal>/doctor")

_LIVING = (TerminalState.PENDING, TerminalState.IN_SERVICE)


@blueprint.get("")
@guard.customer()
def show(terminal: str) -> str:
    """Show what is the matter with a terminal now."""
    lead = _lead(terminal)
    found = portal().cases.examine(terminal) or flask.abort(404)
    return flask.render_template("doctor.html", terminal=terminal, report=report(found, lead), case=None)


@blueprint.post("")
@guard.customer()
def keep(terminal: str) -> Response:
    """Keep what is the matter now, and lead to it."""
    _lead(terminal)
    try:
        case = portal().cases.open(terminal, guard.person().actor)
    except Refused as refused:
        flask.flash(sentence_of({**SHARED, **doorway().furnishing.sentences}, refused), "warn")
        return flask.redirect(flask.url_for("doctor.show", terminal=terminal), 303)
    return flask.redirect(flask.url_for("doctor.kept", terminal=terminal, case=case.number), 303)


@blueprint.get("/<string(length=8):case>")
@guard.customer()
def kept(terminal: str, case: str) -> str:
    """Show what was kept, as it was."""
    lead, found = _lead(terminal), _case(terminal, case)
    return flask.render_template("doctor.html", terminal=terminal, report=report(found.diagnosis, lead), case=found)


def _case(terminal: str, number: str) -> Case:
    case = portal().cases.find(number)
    if case is None or (case.diagnosis.terminal, case.diagnosis.office_code) != (terminal, office_code()):
        flask.abort(404)
    return case


def _lead(name: str) -> Lead:
    """Return what says where remedies are done; 404 for another office's terminal."""
    with doorway().parts.database.snapshot() as session:
        terminal = terminals.get(session, name)
    if terminal is None or terminal.office_code != office_code():
        flask.abort(404)
    may_apply = guard.person().may(Right.APPLY) and terminal.state in _LIVING

    def address(way: Way, finding: Finding) -> str:
        if way is Way.REISSUE:
            return flask.url_for("reissues.ask", terminal=name) if may_apply else ""
        if way is Way.OPEN_REISSUE:
            return flask.url_for("reissues.show", reissue_id=finding.facts["reissue"])
        if way is Way.CODES:
            return flask.url_for("id_notice.show", receipt_number=finding.facts.get("receipt_number") or None)
        if way is Way.NOTICE:
            return bulletin_address(f"notices/{finding.facts['number']}")
        return bulletin_address(f"manuals/{'renewal' if way is Way.RENEWAL else 'retrieval'}")

    return address
