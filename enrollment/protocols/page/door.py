"""The page's routes. A browser with script makes its key and talks to the REST interface; this module shows the page.

Those without script send a certification request by a plain form, which ends in the one redemption function, too.
"""

import hashlib
import mimetypes
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import flask
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from jinja2 import StrictUndefined
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from enrollment.interfaces import Interface
from enrollment.protocols import problems
from enrollment.protocols.page import fields, texts, words
from enrollment.protocols.page.texts import mark
from enrollment.redemption import Redemption, Retrieved
from enrollment.windows_scripts import WindowsScripts
from kernel.clock import TOKYO
from kernel.errors import Refused, Unavailable

# A page is not a record: nobody but its reader keeps it, and it is read anew each time.
NO_STORE = "no-store"
FOR_EVER = "public, max-age=31536000, immutable"
# The largest certification request that an RSA-4096 key makes has some 1,700 octets as PEM.
LARGEST_CSR = 16_384
_KEY = "retrieval-page"
_STATIC = Path(__file__).parent / "static"

blueprint = flask.Blueprint("page", __name__, template_folder="templates")


@dataclass(frozen=True)
class RetrievalPage:
    """What the page needs.

    `headers` stand on each of its answers (content security policy and the like), `files` are those that all doors'
    pages share ("style.css", "mark.svg").
    """

    redemption: Redemption
    scripts: WindowsScripts
    headers: Mapping[str, str]
    files: Mapping[str, bytes]
    service_name: str = mark("利用者認証センター サポートシステム")
    help_desk: str = "0120-000-000"


@dataclass(frozen=True)
class _Mounted:
    """The page in an app; `edition` is in the addresses of its files, so that a browser never mixes two of them."""

    page: RetrievalPage
    files: Mapping[str, bytes]
    edition: str


def mount(app: flask.Flask, page: RetrievalPage) -> None:
    """Mount the page in the retrieval door's app."""
    files = {**page.files, **{path.name: path.read_bytes() for path in sorted(_STATIC.iterdir())}}
    edition = hashlib.sha256(b"".join(files.values())).hexdigest()[:16]
    app.extensions[_KEY] = _Mounted(page, files, edition)
    environment = app.jinja_env
    environment.undefined = StrictUndefined
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.add_extension("jinja2.ext.i18n")
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(texts.gettext, texts.ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.globals |= {"FIELDS": fields.FIELDS, "file_url": file_url, "here": _here, "language": texts.language}
    app.register_blueprint(blueprint)


def file_url(name: str) -> str:
    """Return the lasting address of a static file."""
    return flask.url_for("page.static_file", edition=_mounted().edition, name=name)


@blueprint.get("/")
def entrance() -> Response:
    """Lead whoever typed the door's bare address to the page."""
    return flask.redirect(flask.url_for("page.show"))


@blueprint.get("/retrieve")
def show() -> str:
    """Show the page. `?office_code=` and `?terminal=` fill in what is no secret; `?lang=en` is English."""
    asked = flask.request.args
    terminal = asked.get("terminal", "")
    values = fields.known(asked.get("office_code", ""), terminal)
    return _render("retrieve.html", values=values, terminal=terminal, words=words.script_words())


@blueprint.get("/retrieve/request")
def ask_request() -> str:
    """Show the form for those who have made a key and a certification request elsewhere."""
    asked = flask.request.args
    return _form(fields.known(asked.get("office_code", ""), asked.get("terminal", "")), {})


@blueprint.post("/retrieve/request")
def send_request() -> Response | str:
    """Redeem the codes for a certification request, as text or as a file, and show the certificate for download."""
    form = flask.request.form
    codes, faults = fields.read(form)
    csr = _uploaded()
    if not csr:
        faults = {**faults, "csr": mark("CSRのファイルを選択するか、内容を貼り付けてください。")}
    if codes is None or faults:
        return flask.make_response(_form(form, faults), 422)
    try:
        retrieved = _mounted().page.redemption.redeem(codes, csr, flask.request.remote_addr or "", Interface.PAGE)
    except Refused as refused:
        return _refusal(form, refused)
    return _render("retrieved.html", retrieved=retrieved, downloads=_downloads(retrieved), instant=_instant)


@blueprint.get("/retrieve/windows.inf")
def windows_request() -> Response:
    """Give the request file of `?terminal=` for Windows' certreq."""
    terminal = flask.request.args.get("terminal", "")
    return _attachment(_mounted().page.scripts.request_file(terminal), f"{terminal}.inf")


@blueprint.get("/retrieve/windows.ps1")
def windows_script() -> Response:
    """Give the script that retrieves `?terminal=`'s certificate on Windows."""
    terminal = flask.request.args.get("terminal", "")
    return _attachment(_mounted().page.scripts.script(terminal), f"{terminal}.ps1")


@blueprint.get("/retrieve/static/<edition>/<name>")
def static_file(edition: str, name: str) -> Response:
    """Serve a static file; for ever when the address names the present edition."""
    mounted = _mounted()
    if name not in mounted.files:
        flask.abort(404)
    response = flask.Response(mounted.files[name], content_type=_media_type(name))
    response.headers["Cache-Control"] = FOR_EVER if edition == mounted.edition else "no-cache"
    return response


@blueprint.after_request
def _add_headers(response: flask.Response) -> flask.Response:
    response.headers.update(_mounted().page.headers)
    response.headers.setdefault("Cache-Control", NO_STORE)
    response.headers.setdefault("Content-Language", texts.language())
    return response


@blueprint.errorhandler(Refused)
def _show_refused(refused: Refused) -> Response:
    told = problems.tell(refused.code, refused.facts)
    return _error(told.status, told)


@blueprint.errorhandler(Unavailable)
def _show_unavailable(trouble: Unavailable) -> Response:
    flask.current_app.logger.warning("unavailable: %s", trouble)
    response = _error(503, problems.tell("unavailable"))
    response.headers["Retry-After"] = str(trouble.retry_after)
    return response


@blueprint.errorhandler(HTTPException)
def _show_http(error: HTTPException) -> Response:
    status = error.code or 500
    codes = {404: "not-found", 413: "too-large"}
    return _error(status, problems.tell(codes.get(status, "request-malformed")))


@blueprint.errorhandler(Exception)
def _show_fault(error: Exception) -> Response:
    flask.current_app.logger.error("internal error", exc_info=error)
    return _error(500, problems.tell("internal"))


def _mounted() -> _Mounted:
    found: _Mounted = flask.current_app.extensions[_KEY]
    return found


def _here(language: str) -> str:
    """Return this page's address in another language."""
    asked: dict[str, Any] = {name: flask.request.args[name] for name in ("office_code", "terminal") if name in flask.request.args}
    if language == "en":
        asked["lang"] = "en"
    endpoint = flask.request.endpoint or ""
    shown = {"page.send_request": "page.ask_request"}.get(endpoint, endpoint)
    return flask.url_for(shown if shown in {"page.show", "page.ask_request"} else "page.show", **asked)


def _render(template: str, **values: object) -> str:
    lang = {"lang": "en"} if texts.language() == "en" else {}
    return flask.render_template(template, page=_mounted().page, lang=lang, **values)


def _form(typed: Mapping[str, str], faults: Mapping[str, str], refusal: str = "", advice: str = "") -> str:
    # What is secret is typed again: it never goes back into a page.
    values = {field.name: typed.get(field.name, "") for field in fields.FIELDS if not field.secret}
    return _render("request.html", values=values, faults=faults, refusal=refusal, advice=advice)


def _refusal(typed: Mapping[str, str], refused: Refused) -> Response:
    flask.current_app.logger.info("refused %s", refused.code)
    told = problems.tell(refused.code, refused.facts)
    advice = texts.gettext(words.ADVICE[refused.code]) if refused.code in words.ADVICE else ""
    # RFC 9110 §11.6.1: a 401 would have to name a scheme, and a browser would ask for a password.
    status = 403 if told.status == 401 else told.status  # noqa: PLR2004 (HTTP's own number)
    response = flask.make_response(_form(typed, {}, _sentence(told), advice), status)
    if "retry_after" in refused.facts:
        response.headers["Retry-After"] = str(refused.facts["retry_after"])
    return response


def _error(status: int, told: problems.Problem) -> Response:
    return flask.make_response(_render("trouble.html", sentence=_sentence(told), status=status), status)


def _sentence(told: problems.Problem) -> str:
    return told.english if texts.language() == "en" else told.japanese


def _uploaded() -> bytes:
    file = flask.request.files.get("csr_file")
    content = file.read(LARGEST_CSR + 1) if file else b""
    content = content or flask.request.form.get("csr", "").strip().encode()
    if len(content) > LARGEST_CSR:
        flask.abort(413)
    return content


def _downloads(retrieved: Retrieved) -> list[tuple[str, str, str]]:
    """Return file name, address and description of each form; the address holds the file, so nothing is kept for it."""
    certificate = x509.load_der_x509_certificate(retrieved.certificate.der or b"")
    chain = [link.certificate for link in retrieved.chain]
    pem = [each.public_bytes(Encoding.PEM) for each in (certificate, *chain)]
    name = retrieved.terminal
    return [
        _download(f"{name}-chain.pem", b"".join(pem), mark("証明書と中間CA証明書(PEM)")),
        _download(f"{name}.pem", pem[0], mark("証明書だけ(PEM)")),
        _download(
            f"{name}.p7b",
            pkcs7.serialize_certificates([certificate, *chain], Encoding.DER),
            mark("証明書と中間CA証明書(PKCS#7。Windowsのcertreq -acceptで使えます)"),
        ),
    ]


def _download(name: str, content: bytes, description: str) -> tuple[str, str, str]:
    return name, f"data:application/octet-stream;base64,{b64encode(content).decode()}", description


def _attachment(content: bytes, name: str) -> Response:
    response = flask.Response(content, content_type="application/octet-stream")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _instant(value: datetime) -> str:
    return f"{value.astimezone(TOKYO):%Y/%m/%d %H:%M}"


def _media_type(name: str) -> str:
    kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
