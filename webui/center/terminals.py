"""Terminals as staff read them: the list, a terminal's page with its codes and certificates, and the code sets that wait."""

from dataclasses import dataclass
from datetime import datetime

import flask
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from enrollment import reissue_records, staff_views
from enrollment.code_sets import CodeSetState
from enrollment.credentials import of_terminals
from enrollment.disclosure import Showing
from enrollment.reissue_records import ReissueView
from enrollment.staff_views import CertificateState, CodeSetView, IssuedCertificate
from kernel import audit
from kernel.audit import PastDeed
from registry import offices, terminals
from registry.offices import Office
from registry.states import TERMINAL, TerminalEvent, TerminalState
from registry.terminals import Terminal
from webui import downloads, guard
from webui.accounts import Role
from webui.center import listing, people
from webui.doorway import doorway

blueprint = flask.Blueprint("terminals", __name__)

_PAGE = 30
_FORMS = {"pem": "application/pem-certificate-chain", "cer": "application/pkix-cert"}
RETRIEVABLE = (TerminalState.PENDING, TerminalState.IN_SERVICE)


@dataclass(frozen=True)
class TerminalFile:
    """All that a terminal's page shows. `codes` is its newest code set; `reissues` are newest first."""

    terminal: Terminal
    office: Office
    certificates: tuple[IssuedCertificate, ...]
    code_sets: tuple[CodeSetView, ...]
    reissues: tuple[ReissueView, ...]
    deeds: tuple[PastDeed, ...]
    showings: tuple[Showing, ...]

    @property
    def current(self) -> IssuedCertificate | None:
        """Return the current certificate."""
        return next((certificate for certificate in self.certificates if certificate.is_current), None)

    @property
    def codes(self) -> CodeSetView | None:
        """Return the newest code set."""
        return self.code_sets[0] if self.code_sets else None


@dataclass(frozen=True)
class Possible:
    """What the reader may do to a terminal in its present state."""

    revoke: bool
    suspend: bool
    resume: bool
    replace: bool
    thaw: bool
    unlock: bool
    reissue: bool
    is_approver: bool


@blueprint.get("/terminals/")
@guard.staff()
def listed() -> str:
    """Show terminals by name: those whose name or office begins with what was typed, in a state."""
    state = listing.chosen("state", tuple(TerminalState))
    text = listing.searched()
    with doorway().parts.database.snapshot() as session:
        found = terminals.search(
            session, text=text, state=TerminalState(state) if state else None, page=listing.page_number(), size=_PAGE
        )
        current = of_terminals(session, [terminal.name for terminal in found.records])
    return flask.render_template(
        "terminals.html",
        found=found,
        pager=listing.pager_of(found),
        current=current,
        text=text,
        state=state,
        now=_now(),
    )


@blueprint.get("/terminals/<name>")
@guard.staff()
def show(name: str) -> str:
    """Show a terminal with its certificates and codes, and what can be done now."""
    with doorway().parts.database.snapshot() as session:
        file = read(session, name)
        people.read_staff(session)
    return flask.render_template("terminal.html", file=file, terminal=file.terminal, possible=possible(file), now=_now())


@blueprint.get("/terminals/<name>/certificates/<issuer>/<serial>.<form>")
@guard.staff()
def certificate(name: str, issuer: str, serial: str, form: str) -> Response:
    """Hand out a certificate as PEM or DER: it is public."""
    with doorway().parts.database.snapshot() as session:
        der = staff_views.certificate_file(session, name, issuer, serial)
    if der is None or form not in _FORMS:
        flask.abort(404)
    return downloads.file(staff_views.as_pem(der) if form == "pem" else der, _FORMS[form], f"{name}-{serial}.{form}")


@blueprint.get("/codes")
@guard.staff()
def codes() -> str:
    """Show the code sets that wait for staff: locked by wrong tries, and frozen."""
    now = _now()
    with doorway().parts.database.snapshot() as session:
        locked = staff_views.locked_sets(session, now)
        frozen = staff_views.frozen_sets(session, now)
        total = staff_views.frozen_count(session)
    return flask.render_template("codes.html", locked=locked, frozen=frozen, total=total)


def read(session: Session, name: str) -> TerminalFile:
    """Read a terminal's page; 404 when there is no such terminal."""
    terminal = terminals.get(session, name)
    office = offices.get(session, terminal.office_code) if terminal else None
    if terminal is None or office is None:
        flask.abort(404)
    return TerminalFile(
        terminal=terminal,
        office=office,
        certificates=staff_views.certificates_of(session, name),
        code_sets=staff_views.code_sets_of(session, name, _now()),
        reissues=reissue_records.of_terminal(session, name),
        deeds=audit.history(session, f"terminal:{name}"),
        showings=staff_views.showings_of(session, name),
    )


def possible(file: TerminalFile) -> Possible:
    """Tell what the reader may do to a terminal in its present state."""
    person, state, codes = guard.person(), file.terminal.state, file.codes
    is_open = codes is not None and codes.is_open
    secures, issues = person.may(Role.SECURITY), person.may(Role.ISSUING)
    return Possible(
        revoke=secures and is_revocable(file),
        suspend=secures and TERMINAL.allows(state, TerminalEvent.SUSPEND),
        resume=secures and state is TerminalState.SUSPENDED,
        replace=issues and is_open and state in RETRIEVABLE,
        thaw=issues and codes is not None and codes.state is CodeSetState.FROZEN and state in RETRIEVABLE,
        unlock=issues and is_open and codes is not None and codes.locked_until is not None,
        reissue=person.may(Role.REVIEW) and state in RETRIEVABLE,
        is_approver=codes is not None and codes.approver == str(person.actor),
    )


def is_revocable(file: TerminalFile) -> bool:
    """Return whether a terminal has a certificate that can be revoked, or one that is just being made."""
    being_made = file.codes is not None and file.codes.state is CodeSetState.CLAIMED
    current = file.current
    return being_made or (current is not None and current.state in (CertificateState.VALID, CertificateState.HELD))


def _now() -> datetime:
    return doorway().parts.clock.now()
