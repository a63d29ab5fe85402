"""The app that both doors are: languages, guard, security headers, error pages, static files.

Refusals and absences are put into words here and nowhere else.
"""

from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import cast

import flask
from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from kernel.database import OutcomeUnknown
from kernel.errors import Refused, Unavailable
from webui import guard, refusals, small_parts, texts, version_words, words
from webui.assets import read_assets
from webui.csrf import FIELD, StaleForm
from webui.doorway import DoorParts, Doorway, Furnishing, doorway
from webui.headers import HEADERS
from webui.page_addresses import PageAddresses
from webui.portions import portion
from webui.routes import UnhurriedRule
from webui.sessions import Sessions, visit
from webui.spoken import SpokenEnvironment
from webui.texts import mark

# Of requests without files (`guard.UPLOADS`). The largest form has some twenty fields of 2,000 characters, each up to twelve
# octets when sent.
LARGEST_REQUEST = 512 * 1024

_ERRORS: dict[int, tuple[str, str]] = {
    400: (
        mark("リクエストを受け付けられません"),
        mark("送られた内容に誤りがあります。画面を開き直して、もう一度操作してください。"),
    ),
    403: (mark("この画面は利用できません"), mark("お使いのユーザーには、この操作を行う権限がありません。")),
    404: (mark("ページが見つかりません"), mark("アドレスが間違っているか、ページが移動または削除されています。")),
    405: (mark("この操作はできません"), mark("画面を開き直して、もう一度操作してください。")),
    409: (mark("この操作はできません"), mark("画面を開き直して、現在の状態を確認してください。")),
    413: (mark("送られた内容が大きすぎます"), mark("入力する量を減らして、もう一度操作してください。")),
    429: (mark("しばらくお待ちください"), mark("操作が続いたため、しばらくの間受け付けません。")),
    500: (mark("システムエラーが発生しました"), mark("ご不便をおかけします。時間をおいて、もう一度お試しください。")),
    503: (mark("ただいま混み合っています"), mark("入力した内容は登録されていません。少し待ってから、もう一度お試しください。")),
}

_UNKNOWN_OUTCOME = mark(
    "操作が登録されたかどうかを確認できませんでした。画面を開き直し、現在の状態を確認してから操作してください。"
)

_TOO_LARGE = mark(
    "一度に送信できるのは、入力した内容とファイルを合わせて%(size)sまでです。ファイルを小さくするか、分けて送信してください。"
)

_POLICY = "Content-Security-Policy"
# RFC 9110: these fields describe the plain body that our page replaces.
_BODY_HEADERS = frozenset({"content-type", "content-length"})

machinery = flask.Blueprint("machinery", __name__)


def make_app(name: str, parts: DoorParts, furnishing: Furnishing, *blueprints: flask.Blueprint) -> flask.Flask:
    """Make the app of a door from its parts, its furnishing and its pages.

    A blueprint with a template folder is a guest: it brings templates and a catalogue of its own, by its name.
    Raises RuntimeError when one of the routes does not declare who may use it.
    """
    app = flask.Flask(name, static_folder=None, template_folder=None)
    app.jinja_environment = SpokenEnvironment
    app.url_rule_class = UnhurriedRule
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    app.config["MAX_FORM_MEMORY_SIZE"] = LARGEST_REQUEST
    app.config["PROPAGATE_EXCEPTIONS"] = False
    sessions = Sessions(parts.database, parts.clock, furnishing.door, parts.limits)
    app.session_interface = sessions
    app.extensions["webui"] = Doorway(parts, furnishing, sessions, read_assets())
    guests = [blueprint for blueprint in blueprints if blueprint.template_folder]
    app.extensions["webui-catalogue"] = texts.read_catalogue("shared", furnishing.door.value, *(guest.name for guest in guests))
    _equip_templates(app, furnishing, guests)
    app.before_request(_choose_language)
    app.before_request(guard.admit)
    app.after_request(_add_headers)
    _handle_errors(app)
    for blueprint in (machinery, *blueprints):
        app.register_blueprint(blueprint)
    guard.require_declarations(app, furnishing.door)
    return app


def language_cookie() -> str:
    """Return the name of the cookie that keeps the chosen language."""
    return f"__Host-tegata-{doorway().furnishing.door}-language"


def asset_url(name: str) -> str:
    """Return the lasting address of a static file."""
    return flask.url_for("machinery.asset", digest=doorway().assets[name].digest, name=name)


@machinery.get("/static/<digest>/<name>")
@guard.without_visit
def asset(digest: str, name: str) -> flask.Response:
    """Serve a static file; for ever when the address holds its present hash."""
    found = doorway().assets.get(name)
    if found is None:
        flask.abort(404)
    response = flask.Response(found.content, content_type=found.media_type)
    response.set_etag(found.digest)
    lasting = digest == found.digest
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if lasting else "no-cache"
    return cast("flask.Response", response.make_conditional(flask.request))


def _equip_templates(app: flask.Flask, furnishing: Furnishing, guests: Iterable[flask.Blueprint]) -> None:
    shared = FileSystemLoader(Path(__file__).parent / "templates")
    environment = cast("SpokenEnvironment", app.jinja_env)
    brought = [guest.jinja_loader for guest in guests if guest.jinja_loader]
    environment.loader = ChoiceLoader([FileSystemLoader(furnishing.templates), *brought, shared])
    environment.undefined = StrictUndefined
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters |= {
        "day": texts.show_day,
        "difference_words": version_words.difference_words,
        "instant": texts.show_instant,
        "item_name": words.item_name,
        "month": texts.show_month,
        "result_name": words.result_name,
        "translated": words.translated,
        "weekday": texts.show_weekday,
    }
    # Not Jinja's own extension: a page says a hundred texts, and that calls through four functions for each.
    environment.globals |= {
        "_": texts.html,
        "ngettext": texts.counted_html,
        "asset_url": asset_url,
        "doorway": doorway,
        "form_field": FIELD,
        "language": texts.language,
        "portion": portion,
        "present_page": guard.present_page,
        "small_parts": small_parts,
        "url_for": PageAddresses(app).url_for,
        "visit": visit,
    }
    words.equip(environment.globals)
    catalogue = app.extensions["webui-catalogue"]
    environment.learn_english(catalogue)
    environment.keep_compiled(furnishing.door.value, catalogue)


def _choose_language() -> None:
    flask.g.language = "en" if flask.request.cookies.get(language_cookie()) == "en" else "ja"


def _add_headers(response: flask.Response) -> flask.Response:
    policy = response.headers.get(_POLICY)  # a page may be stricter with itself
    response.headers.update(HEADERS | ({_POLICY: policy} if policy else {}))
    # A page shows somebody's data or a form token: no cache keeps it. Static files say otherwise themselves.
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("Content-Language", texts.language())
    if not response.cache_control.public:  # what is public is the same for every visitor
        response.headers.add("Vary", "Cookie")
    return response


def _handle_errors(app: flask.Flask) -> None:
    app.register_error_handler(HTTPException, _show_http_error)
    app.register_error_handler(Refused, _show_refusal)
    app.register_error_handler(Unavailable, _show_absence)


def _show_http_error(error: HTTPException) -> Response:
    original = getattr(error, "original_exception", None)
    if isinstance(original, Unavailable):  # raised where Flask asks no handler: while the session is stored
        return _show_absence(original)
    code = error.code or 500
    if code < 400:  # noqa: PLR2004 (a redirect that the router raises)
        return error.get_response()
    title, advice = _ERRORS.get(code, _ERRORS[400 if code < 500 else 500])  # noqa: PLR2004 (HTTP's own border)
    if isinstance(error, StaleForm):  # Werkzeug's own descriptions stay out: they are English and tell nobody anything
        advice = StaleForm.description
    told, most = texts.gettext(advice), flask.request.max_content_length or 0
    if code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and flask.request.mimetype == "multipart/form-data":  # with files
        told = texts.say(_TOO_LARGE, size=f"{most // 2**20}MB" if most >= 2**20 else f"{most // 2**10}KB")
    response = _error_page(code, texts.gettext(title), told)
    for name, value in error.get_headers():
        if name.lower() not in _BODY_HEADERS:
            response.headers[name] = value
    return response


def _show_refusal(refused: Refused) -> Response:
    sentences = {**refusals.SHARED, **doorway().furnishing.sentences}
    status = refusals.status_of(sentences, refused)
    title, _ = _ERRORS.get(status.value, _ERRORS[409])
    response = _error_page(status.value, texts.gettext(title), refusals.sentence_of(sentences, refused))
    if "retry_after" in refused.facts:
        response.headers["Retry-After"] = str(refused.facts["retry_after"])
    return response


def _show_absence(absence: Unavailable) -> Response:
    flask.current_app.logger.warning("unavailable: %s", absence)
    title, advice = _ERRORS[HTTPStatus.SERVICE_UNAVAILABLE]
    if isinstance(absence, OutcomeUnknown):  # the commit may stand: nobody is told that it does not
        advice = _UNKNOWN_OUTCOME
    response = _error_page(HTTPStatus.SERVICE_UNAVAILABLE, texts.gettext(title), texts.gettext(advice))
    response.headers["Retry-After"] = str(absence.retry_after)
    return response


def _error_page(status: int, title: str, advice: str) -> Response:
    before = guard.page_before() if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else None
    page = flask.render_template("error.html", status=status, title=title, advice=advice, before=before)
    return flask.make_response(page, status)
