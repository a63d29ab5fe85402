"""端末の診断 for the help desk: what the office sees of a terminal, now or as it was kept under a number."""

import flask
from werkzeug.wrappers import Response

from enrollment.diagnosis import Diagnosis, Finding
from enrollment.diagnosis_cases import Case
from registry import offices
from webui import guard
from webui.center.parts import center
from webui.diagnosing import bulletin_address, report
from webui.diagnosis_topics import Way
from webui.doorway import doorway
from webui.texts import mark, say

blueprint = flask.Blueprint("doctor", __name__)


@blueprint.get("/terminals/<name>/doctor")
@guard.staff()
def show(name: str) -> str:
    """Show what is the matter with a terminal now."""
    return _page(center().cases.examine(name) or flask.abort(404), None)


@blueprint.get("/cases")
@guard.staff()
def search() -> Response | str:
    """Ask for a number, or lead to the case that was typed."""
    typed = flask.request.args.get("number", "").strip()
    case = center().cases.find(typed) if typed else None
    if case is not None:
        return flask.redirect(flask.url_for("doctor.kept", case=case.number), 303)
    fault = say(mark("この診断番号は見つかりません。番号は90日間保存されます。")) if typed else ""
    return flask.render_template("cases.html", typed=typed[:20], fault=fault)


@blueprint.get("/cases/<string(length=8):case>")
@guard.staff()
def kept(case: str) -> str:
    """Show a case as it was kept."""
    found = center().cases.find(case) or flask.abort(404)
    return _page(found.diagnosis, found)


def _page(found: Diagnosis, case: Case | None) -> str:
    with doorway().parts.database.snapshot() as session:
        office = offices.get(session, found.office_code) or flask.abort(404)
    return flask.render_template(
        "doctor.html", terminal=found.terminal, office=office, report=report(found, _lead), case=case
    )  # fmt: skip


def _lead(way: Way, finding: Finding) -> str:
    """Return where the center's own pages on a remedy are; what only an office can do leads nowhere."""
    if way is Way.OPEN_REISSUE:
        return flask.url_for("reissues.show", reissue_id=finding.facts["reissue"])
    if way is Way.NOTICE:
        return bulletin_address(f"notices/{finding.facts['number']}")
    if way in (Way.RENEWAL, Way.RETRIEVAL):
        return bulletin_address(f"manuals/{'renewal' if way is Way.RENEWAL else 'retrieval'}")
    return ""
