"""Who may use what. Default deny: an app with a route that declares nothing is not made.

Every view wears exactly one of `public`, `without_visit`, `customer(…)`, `staff(…)`, `logged_in`, `enrolling`. Not logged in
leads to the log-in page and back; staff who have no second factor yet are led to where they get one, and back; logged in without
the right is 403; an object of another office is 404, which is the views' part.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

import flask
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException
from werkzeug.wrappers import Response

from webui import csrf, kept
from webui.accounts import Door, Person, Right, Role
from webui.doorway import doorway
from webui.sessions import visit

View = TypeVar("View", bound=Callable[..., object])
# The app's setting: octets of a request with files.
UPLOADS = "LARGEST_UPLOAD"


@dataclass(frozen=True)
class Access:
    """Who may use a route: everyone when `doors` is empty, else those doors' people who hold one of `grants` (if any)."""

    doors: frozenset[Door] = frozenset()
    grants: frozenset[Right | Role] = frozenset()
    has_visit: bool = True
    # Whether staff may use it who have not shown a second factor in this log-in, because they have none yet.
    before_proof: bool = False
    # Whether files are sent to it: from those whom it admits, larger requests are taken (`UPLOADS`).
    takes_files: bool = False
    # Octets of a request of strangers' where these may send a file; 0 where the app's general limit holds.
    most_octets: int = 0

    def admits(self, person: Person | None) -> bool:
        """Tell whether a person may use the route."""
        if not self.doors:
            return True
        if person is None or person.door not in self.doors:
            return False
        return not self.grants or any(person.may(grant) for grant in self.grants)


def public(view: View) -> View:
    """Let everyone use a route."""
    return _declare(view, Access())


def public_file(octets: int) -> Callable[[View], View]:
    """Let everyone use a route to which one file of so many octets is sent.

    Twice as much is taken in, so that the view itself refuses a file that is too large, beside its field.
    """
    return lambda view: _declare(view, Access(most_octets=2 * octets))


def without_visit(view: View) -> View:
    """Let everyone use a route that knows no visitors: static files."""
    return _declare(view, Access(has_visit=False))


def customer(*, right: Right | None = None, takes_files: bool = False) -> Callable[[View], View]:
    """Let an office's users use a route, or those of them who hold a right."""
    access = Access(frozenset({Door.PORTAL}), frozenset({right} if right else ()), takes_files=takes_files)
    return lambda view: _declare(view, access)


def staff(*roles: Role) -> Callable[[View], View]:
    """Let staff use a route, or those who hold one of the roles."""
    access = Access(frozenset({Door.CENTER}), frozenset(roles))
    return lambda view: _declare(view, access)


def logged_in(view: View) -> View:
    """Let whoever is logged in at either door use a route that both doors share."""
    return _declare(view, Access(frozenset(Door)))


def enrolling(view: View) -> View:
    """Let whoever is logged in at either door use a route by which they get a second factor."""
    return _declare(view, Access(frozenset(Door), before_proof=True))


def access_of(view: Callable[..., object]) -> Access | None:
    """Return what a view declares."""
    return getattr(view, "access", None)


def require_declarations(app: flask.Flask, door: Door) -> None:
    """Raise RuntimeError when a route declares nothing, or the other door's people."""
    for rule in app.url_map.iter_rules():
        access = access_of(app.view_functions[rule.endpoint])
        if access is None or (access.doors and door not in access.doors):
            message = f"route {rule} ({rule.endpoint}) does not declare who of the {door} may use it"
            raise RuntimeError(message)


def admit() -> Response | None:
    """Judge the present request before its view runs; a response is returned instead of the view's."""
    request = flask.request
    access = access_of(flask.current_app.view_functions[request.endpoint]) if request.endpoint else Access()
    if access is None:
        raise Forbidden
    if not access.has_visit:
        return None
    _require_text(request.args)
    doorway().sessions.recognise(visit())
    if not access.admits(visit().person):
        if visit().person is None:
            return to_log_in()
        raise Forbidden
    if access.doors and not access.before_proof and owes_factor():
        return flask.redirect(flask.url_for("factors.show", next=present_page()), 303)
    if access.takes_files:
        request.max_content_length = flask.current_app.config[UPLOADS]
    elif access.most_octets:
        request.max_content_length = access.most_octets
    _require_text(request.form)
    if request.endpoint:
        csrf.require_own_form()
    return None


def person() -> Person:
    """Return who is logged in; for views that admit only those."""
    present = visit().person
    if present is None:
        raise Forbidden
    return present


def owes_factor() -> bool:
    """Return whether the present visitor is staff that has no second factor yet: they may do nothing but get one."""
    present = visit()
    return present.person is not None and present.person.door is Door.CENTER and present.proven_at is None


def to_log_in() -> Response:
    """Lead to the log-in page and afterwards back to where the visitor wanted to go, with what was typed there."""
    fits = (flask.request.content_length or 0) <= flask.current_app.config["MAX_CONTENT_LENGTH"]
    if flask.request.method == "POST" and fits and _is_text(flask.request.form) and kept.sent() and csrf.is_own_form():
        # 307: the browser sends the form once more, to a log-in page that carries it along.
        return flask.redirect(flask.url_for("entrance.log_in_again", next=flask.request.path), 307)
    wanted = present_page()
    query = {"next": wanted} if wanted not in {None, "/"} else {}
    if visit().has_ended:
        query["notice"] = "ended"
    return flask.redirect(flask.url_for("entrance.log_in", **query), 303)  # type: ignore[arg-type]


def present_page() -> str | None:
    """Return the address under which the present page can be read again; none for the answer to a form that has no page."""
    request = flask.request
    return request.full_path.rstrip("?") if request.method in {"GET", "HEAD"} else _page_of(request.path)


def page_before() -> str | None:
    """Return the address of this door's page whose form was sent, as the browser tells it."""
    request = flask.request
    sent_from = urlsplit(request.referrer or "")
    if sent_from.netloc != request.host:
        return _page_of(request.path)
    return safe_next(f"{sent_from.path}?{sent_from.query}".rstrip("?"))


def safe_next(address: str | None) -> str:
    """Return an address to go on to if it is a path of this door, else the door's home: no open redirects."""
    home = flask.url_for(doorway().furnishing.home)
    if not address or not address.startswith("/") or address.startswith(("//", "/\\")) or not address.isprintable():
        return home
    parts = urlsplit(address)
    return home if parts.scheme or parts.netloc or "\\" in address else address


def _declare(view: View, access: Access) -> View:
    view.__dict__["access"] = access
    return view


def _page_of(path: str) -> str | None:
    """Return the path if it can be read as a page, for those whose session ended before they pressed a button."""
    adapter = flask.current_app.create_url_adapter(flask.request)
    try:
        return path if adapter and adapter.test(path, "GET") else None
    except HTTPException:
        return None


def _require_text(typed: MultiDict[str, str]) -> None:
    # PostgreSQL stores no NUL; nobody types one.
    if "\x00" in flask.request.path or not _is_text(typed):
        raise BadRequest


def _is_text(typed: MultiDict[str, str]) -> bool:
    """Return whether all names are there, which a part of a form may lack (RFC 7578 §4.2), and nothing has a NUL."""
    sent: Iterable[tuple[str | None, str]] = typed.items(multi=True)
    return all(name is not None and "\x00" not in name and "\x00" not in value for name, value in sent)
