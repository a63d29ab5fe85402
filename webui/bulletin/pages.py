"""The public pages: notices with their lists, search and feed; manuals; codes; the root certificates."""

import re
from collections.abc import Mapping
from typing import cast

import flask

from registry import bulletin
from registry.bulletin import CATEGORIES, Category, Notice, Wanted
from webui import guard, markup
from webui.bulletin import caching, feed, finding, shelf
from webui.bulletin.parts import bulletin_parts
from webui.doorway import doorway
from webui.texts import Language, gettext, language, mark

JA: Mapping[str, object] = {"language": "ja"}
EN: Mapping[str, object] = {"language": "en"}
LATEST, PAGE, IN_FEED = 10, 20, 20
MONTHS_SHOWN = 12

_MONTH = re.compile(r"20[0-9]{2}-(?:0[1-9]|1[0-2])")
_NUMBER = "/notices/<int(max=2147483647):number>"

blueprint = flask.Blueprint("bulletin", __name__, template_folder="templates", url_prefix="/bulletin")


@blueprint.url_value_preprocessor
def take_language(_endpoint: str | None, values: dict[str, object] | None) -> None:
    """Take the language out of the address; views know it from `texts.language`."""
    flask.g.address_language = (values or {}).pop("language", "ja")


@blueprint.before_request
def speak() -> None:
    """Speak the language of the address, whatever was chosen on the pages behind the log-in."""
    flask.g.language = flask.g.address_language


@blueprint.url_defaults
def keep_language(_endpoint: str, values: dict[str, object]) -> None:
    """Let links to these pages, from here or from the portal, lead to the reader's language."""
    values.setdefault("language", language())


@blueprint.get("/", defaults=JA)
@blueprint.get("/en/", defaults=EN)
@guard.without_visit
def top() -> flask.Response:
    """Show what is pinned, what is new, and the ways into everything else."""
    parts = doorway().parts
    now = parts.clock.now()
    with parts.database.snapshot() as session:
        found = bulletin.visible(session, now, Wanted(), size=LATEST)
        pinned, months = bulletin.pinned(session, now), bulletin.months(session, now)
    above = {notice.id for notice in pinned}
    latest = [notice for notice in found.records if notice.id not in above]
    return _page("bulletin-top.html", latest=latest, pinned=pinned, months=months[:MONTHS_SHOWN], total=found.total)


@blueprint.get("/notices", defaults=JA)
@blueprint.get("/en/notices", defaults=EN)
@guard.without_visit
def notices() -> flask.Response:
    """Show notices page by page: of a category, of a month, with words."""
    parts, asked = doorway().parts, flask.request.args
    category, month = asked.get("category", ""), asked.get("month", "")
    wanted = Wanted(
        category if category in CATEGORIES else "", month if _MONTH.fullmatch(month) else "", asked.get("q", "").strip()
    )
    number = asked.get("page", "1")
    now = parts.clock.now()
    with parts.database.snapshot() as session:
        found = bulletin.visible(session, now, wanted, page=int(number) if re.fullmatch(r"[0-9]{1,6}", number) else 1, size=PAGE)
        months = bulletin.months(session, now)
    is_first = number == "1" and not wanted.category and not wanted.month
    standing = finding.standing(wanted.text, shelf.MANUALS.values(), shelf.CODES.values()) if is_first else finding.NOTHING
    query = {name: value for name, value in (("category", wanted.category), ("month", wanted.month), ("q", wanted.text)) if value}
    return _page("bulletin-notices.html", found=found, wanted=wanted, months=months, query=query, standing=standing)


@blueprint.get(_NUMBER, defaults=JA)
@blueprint.get(f"/en{_NUMBER}", defaults=EN)
@guard.without_visit
def notice(number: int) -> flask.Response:
    """Show a notice; one that was seen once and is gone says so with 410."""
    parts = doorway().parts
    now = parts.clock.now()
    with parts.database.snapshot() as session:
        found = bulletin.find_public(session, number, now) or flask.abort(404)
    if not found.is_visible(now):
        return caching.answer(_render("bulletin-gone.html", notice=found), status=410)
    return _page("bulletin-notice.html", notice=found)


@blueprint.get("/feed.atom", defaults=JA)
@blueprint.get("/en/feed.atom", defaults=EN)
@guard.without_visit
def atom() -> flask.Response:
    """Give the newest notices as Atom."""
    parts = doorway().parts
    now = parts.clock.now()
    with parts.database.snapshot() as session:
        found = bulletin.visible(session, now, Wanted(), size=IN_FEED)
        changed = bulletin.changed_at(session, now)
    name = gettext(parts.settings.service_name)
    heading = feed.Heading(
        title=f"{gettext(mark('掲示板'))} | {name}",
        author=name,
        address=_absolute(flask.url_for("bulletin.atom")),
        page=_absolute(flask.url_for("bulletin.top")),
        language=language(),
        updated=changed,
    )
    body = feed.write(heading, [_item(one) for one in found.records])
    return caching.kept(body, content_type=feed.MEDIA_TYPE, modified=changed)


@blueprint.get("/manuals/<name>", defaults=JA)
@blueprint.get("/en/manuals/<name>", defaults=EN)
@guard.without_visit
def manual(name: str) -> flask.Response:
    """Show one of the standing pages."""
    found = shelf.MANUALS.get(name) or flask.abort(404)
    return _page("bulletin-manual.html", manual=found, roots=bulletin_parts().roots if name == "trust" else ())


@blueprint.get("/codes", defaults=JA)
@blueprint.get("/en/codes", defaults=EN)
@guard.without_visit
def codes() -> flask.Response:
    """List all codes in their groups, or lead to the one that was typed."""
    typed = flask.request.args.get("code", "").strip()
    known = next((code for code in shelf.CODES if code.casefold() == typed.casefold()), None)
    if known:
        return cast("flask.Response", flask.redirect(flask.url_for("bulletin.code", name=known), 303))
    return _page("bulletin-codes.html", groups=shelf.GROUPS, typed=typed[:40])


@blueprint.get("/codes/<name>", defaults=JA)
@blueprint.get("/en/codes/<name>", defaults=EN)
@guard.without_visit
def code(name: str) -> flask.Response:
    """Show what a code means and what to do."""
    found = shelf.CODES.get(name) or flask.abort(404)
    return _page("bulletin-code.html", code=found)


@blueprint.get("/root.pem", defaults=JA)
@blueprint.get("/en/root.pem", defaults=EN)
@guard.without_visit
def root() -> flask.Response:
    """Give the root certificates; whoever takes them compares the fingerprint with what they were given another way."""
    pem = "".join(one.pem for one in bulletin_parts().roots)
    response = caching.kept(pem, seconds=caching.HOUR, content_type="application/x-pem-file")
    response.headers["Content-Disposition"] = "attachment; filename=root.pem"
    return response


@blueprint.errorhandler(404)
def nowhere(_error: Exception) -> flask.Response:
    """Say that there is no such notice or page, and where all of them are."""
    return caching.answer(_render("bulletin-nowhere.html"), status=404)


def _page(template: str, **facts: object) -> flask.Response:
    return caching.kept(_render(template, **facts))


def _render(template: str, **facts: object) -> str:
    parts = doorway().parts
    now = parts.clock.now()
    with parts.database.snapshot() as session:
        urgent = bulletin.urgent(session, now)
    return flask.render_template(
        template,
        **facts,
        CODES=shelf.CODES,
        MANUALS=shelf.MANUALS,
        CATEGORIES=CATEGORIES,
        other_language=_other_language(),
        other_address=_other_address(),
        absolute=_absolute,
        retrieval_url=f"{bulletin_parts().retrieval_url}/retrieve",
        rendered=_rendered,
        said=_said,
        urgent=urgent,
    )


def _other_language() -> Language:
    return "ja" if language() == "en" else "en"


def _other_address() -> str:
    """Return the present page's address in the other language, with what was asked for."""
    request = flask.request
    asked = {**request.args, **(request.view_args or {}), "language": _other_language()}
    return flask.url_for(request.endpoint or "bulletin.top", **asked)


def _said(thing: Notice | Category, name: str = "") -> str:
    """Return a category's name, or a notice's title or body, in the reader's language."""
    words = thing if isinstance(thing, Category) else thing.content
    found: str = getattr(words, f"{name}_{language()}" if name else language())
    return found


def _rendered(text: str, top: int = 2) -> str:
    return markup.render(text, _in_language, top=top)


def _in_language(address: str) -> str:
    """Return a path of ours in the reader's language; authors write it without."""
    home, own = "/bulletin/", "/bulletin/en/"
    is_whole = not address.startswith(home) or address.startswith(own)
    return address if language() == "ja" or is_whole else own + address.removeprefix(home)


def _absolute(address: str) -> str:
    return doorway().parts.settings.public_url.rstrip("/") + address if address.startswith("/") else address


def _item(one: Notice) -> feed.Item:
    return feed.Item(
        notice=one,
        address=_absolute(flask.url_for("bulletin.notice", number=one.id)),
        title=_said(one, "title"),
        html=markup.render(_said(one, "body"), lambda address: _absolute(_in_language(address))),
        category=_said(CATEGORIES[one.content.category]) if one.content.category in CATEGORIES else "",
    )
