import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.extract import extract
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ca.authority import Authority
from ca.issuers import SigningIssuer
from enrollment.protocols.page import door, fields, texts
from enrollment.protocols.retrieval import RetrievalDoor, create_app
from enrollment.redemption import Redemption
from kernel.database import connect
from kernel.errors import Unavailable
from tests.conftest import FreshDatabase
from tests.crash.faults import BrokenKey, fail
from tests.support.clock import SettableClock
from tests.support.house import House, build_house, new_request
from tests.support.retrieval_page import page_of
from webui.headers import HEADERS

FOLDER = Path(door.__file__).parent
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
FACT = re.compile(r"\{\w+\}")
FORM = "/retrieve/request"
Form = dict[str, str]


@pytest.fixture(scope="module")
def house(sqlite_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Return one house for all: what the page itself does depends on no database."""
    with sqlite_databases() as url:
        database = connect(url)
        yield build_house(database, tmp_path_factory.mktemp("house"), SettableClock())
        database.dispose()


@pytest.fixture
def client(house: House) -> FlaskClient:
    app = create_app(RetrievalDoor(house.redemption))
    door.mount(app, page_of(house, "https://localhost:8444"))
    return app.test_client()


@pytest.fixture
def form(house: House) -> Form:
    [(_, codes)] = house.new_codes()
    return asdict(codes)


def away() -> None:
    raise Unavailable("the key's custody", retry_after=7)


def send(client: FlaskClient, form: Form, csr: bytes, address: str = FORM) -> TestResponse:
    return client.post(address, data={**form, "csr_file": (BytesIO(csr), "request.csr")})


def downloads(response: TestResponse) -> dict[str, bytes]:
    """Return what is offered for download by the file names' ends; each name begins with the terminal's six characters."""
    found = re.findall(r'href="data:application/octet-stream;base64,([^"]+)" download="([^"]+)"', response.text)
    return {name[6:]: b64decode(content) for content, name in found}


def extracted() -> set[str]:
    found = set()
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix not in {".py", ".html"}:
            continue
        method = "python" if path.suffix == ".py" else "jinja2.ext:babel_extract"
        options = {"trimmed": "true", "silent": "false", "encoding": "utf-8"}
        with path.open("rb") as file:
            found |= {str(message) for _, message, _, _ in extract(method, file, {"_": None, "mark": None}, options=options)}
    return found - {""}


def test_a_request_by_plain_form_gives_the_certificate_in_every_form(client: FlaskClient, house: House, form: Form) -> None:
    request = new_request()
    first, again = send(client, form, request.pem), send(client, form, request.pem)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.headers["Cache-Control"] == "no-store"
    assert first.text == again.text
    files = downloads(first)
    leaf, *above = x509.load_pem_x509_certificates(files["-chain.pem"])
    assert leaf.public_key() == request.key.public_key()
    assert above == [house.issuing.issuer.certificate]
    assert x509.load_pem_x509_certificate(files[".pem"]) == leaf
    assert set(pkcs7.load_der_pkcs7_certificates(files[".p7b"])) == {leaf, *above}


def test_the_request_may_be_pasted_or_der(client: FlaskClient, form: Form) -> None:
    request = new_request()
    der = x509.load_pem_x509_csr(request.pem).public_bytes(Encoding.DER)
    assert send(client, form, der).status_code == 200
    assert client.post(FORM, data={**form, "csr": request.pem.decode()}).status_code == 200
    # What Windows writes.
    windows = request.pem.replace(b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST").replace(b"\n", b"\r\n")
    assert send(client, form, windows).status_code == 200


def test_inputs_are_normalised(client: FlaskClient, form: Form) -> None:
    form |= {
        "access_key": " ".join(form["access_key"]),
        "auth_code_2": form["auth_code_2"].lower(),
        "office_code": "ｎａｃ－００１",
    }
    assert send(client, form, new_request().pem).status_code == 200


@pytest.mark.parametrize(
    ("name", "typed", "message"),
    [
        ("access_key", "", fields.REQUIRED),
        ("access_key", "123", "数字13桁で入力してください。"),
        ("access_key", "1" * 65, fields.REQUIRED),
        ("auth_code_1", "NAC9999", "英字3文字、数字3文字、英字1文字で入力してください。"),
        ("auth_code_2", "AB0DEF", "英数字6文字で入力してください。0、O、1、I、Lは使われません。"),
        ("office_code", "NAC1", "英字3文字と数字3文字で入力してください。"),
        ("office_code", "XYZ001", fields.OFFICE_DIFFERS),
    ],
)
def test_a_slip_of_the_pen_is_told_beside_the_field_and_costs_no_try(
    client: FlaskClient, form: Form, name: str, typed: str, message: str
) -> None:
    for _ in range(6):
        response = send(client, form | {name: typed}, new_request().pem)
    assert response.status_code == 422
    assert f'<p class="wrong" id="{name}-fault">{message}</p>' in response.text
    assert send(client, form, new_request().pem).status_code == 200


def test_a_digit_that_was_mistyped_is_found_by_the_check_digit(client: FlaskClient, form: Form) -> None:
    wrong = str((int(form["access_key"][4]) + 1) % 10)
    response = send(client, form | {"access_key": form["access_key"][:4] + wrong + form["access_key"][5:]}, new_request().pem)
    assert fields.CHECK_DIGIT in response.text


def test_without_a_request_the_form_asks_for_it(client: FlaskClient, form: Form) -> None:
    response = client.post(FORM, data=form)
    assert response.status_code == 422
    assert "CSRのファイルを選択するか" in response.text


def test_refusals_are_told_in_the_readers_language_and_no_secret_comes_back(client: FlaskClient, form: Form) -> None:
    wrong = form | {"auth_code_3": "22222" if form["auth_code_3"] != "22222" else "33333"}
    japanese, english = (send(client, wrong, new_request().pem, FORM + query) for query in ("", "?lang=en"))
    assert (japanese.status_code, english.status_code) == (403, 403)
    assert "のいずれかが正しくありません" in japanese.text
    assert "5項目を1文字ずつ比べて" in japanese.text
    assert "One of access key, authentication codes and office code is wrong" in english.text
    for response in (japanese, english):
        assert not [name for name in ("access_key", "auth_code_2", "auth_code_3") if wrong[name] in response.text]
        assert 'value="NAC001"' in response.text


def test_states_are_told_apart_after_the_codes_were_right(client: FlaskClient, form: Form) -> None:
    assert send(client, form, new_request().pem).status_code == 200
    spent = send(client, form, new_request().pem)
    assert spent.status_code == 409
    assert "別の鍵で使用済み" in spent.text
    assert "24時間以内はそのブラウザーで" in spent.text
    unreadable = send(client, form, b"no request")
    assert unreadable.status_code == 422


def test_too_many_wrong_tries_say_how_long_to_wait(client: FlaskClient, form: Form) -> None:
    wrong = form | {"auth_code_2": "222222" if form["auth_code_2"] != "222222" else "333333"}
    answers = [send(client, wrong, new_request().pem) for _ in range(6)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert "しばらく受け付けられません" in answers[-1].text


def test_what_is_too_large_is_refused_with_a_page(client: FlaskClient, form: Form) -> None:
    for size in (door.LARGEST_CSR + 1, 100_000):
        response = send(client, form, b"x" * size)
        assert (response.status_code, response.mimetype) == (413, "text/html")


def test_pages_carry_the_headers_of_all_pages_and_no_inline_code(client: FlaskClient) -> None:
    for address in ("/retrieve", FORM, "/retrieve?lang=en"):
        response = client.get(address)
        assert HEADERS.items() <= dict(response.headers).items()
        assert response.headers["Cache-Control"] == "no-store"
        assert " style=" not in response.text
        assert " on" not in re.sub(r">[^<]*<", "><", response.text).replace(" on ", "")
        assert re.findall(r"<script(?! type=\"application/json\")[^>]*>", response.text) == [
            f'<script type="module" src="{source}">' for source in re.findall(r'src="([^"]+retrieve\.js)"', response.text)
        ]


def test_files_last_for_ever_under_their_edition(client: FlaskClient) -> None:
    [script] = re.findall(r'src="([^"]+/retrieve\.js)"', client.get("/retrieve").text)
    for name in ("retrieve.js", "credentials.js", "inputs.js", "kept.js", "sending.js"):
        response = client.get(script.replace("retrieve.js", name))
        assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert response.headers["Cache-Control"] == door.FOR_EVER
    assert client.get("/retrieve/static/old/style.css").headers["Cache-Control"] == "no-cache"
    assert client.get("/retrieve/static/old/nothing.js").status_code == 404


def test_a_link_fills_in_what_is_no_secret(client: FlaskClient) -> None:
    page = client.get("/retrieve?office_code=NAC001&terminal=99999W").text
    assert re.search(r'id="office_code"[^>]* value="NAC001"', page)
    assert re.search(r'id="auth_code_1"[^>]* value="NAC999W"', page)
    assert re.search(r'id="terminal"[^>]* value="99999W"', page)
    other = client.get('/retrieve?office_code="><script>&access_key=1234567890123').text
    assert 'value=""' in other
    assert "1234567890123" not in other


def test_the_bare_address_leads_to_the_page(client: FlaskClient) -> None:
    assert client.get("/").location == "/retrieve"


def test_windows_gets_its_files_by_the_terminals_name(client: FlaskClient) -> None:
    for kind in ("inf", "ps1"):
        response = client.get(f"/retrieve/windows.{kind}?terminal=99999W")
        assert response.headers["Content-Disposition"] == f'attachment; filename="99999W.{kind}"'
        assert b"99999W" in response.data
        wrong = client.get(f"/retrieve/windows.{kind}?terminal=99999")
        assert (wrong.status_code, wrong.mimetype) == (400, "text/html")


@pytest.mark.parametrize(("harm", "status"), [(fail, 500), (away, 503)])
def test_trouble_is_told_with_a_page_and_without_its_cause(
    client: FlaskClient, house: House, form: Form, harm: Callable[[], None], status: int
) -> None:
    key = BrokenKey(house.issuing.key)
    key.before = harm
    authority = Authority(SigningIssuer(house.issuing.issuer, key), house.profile)
    redemption = Redemption(house.database, house.clock, authority, house.hasher)
    app = create_app(RetrievalDoor(redemption))
    door.mount(app, replace(page_of(house, "https://localhost:8444"), redemption=redemption))
    request = new_request()
    response = send(app.test_client(), form, request.pem)
    assert (response.status_code, response.mimetype) == (status, "text/html")
    assert ("Retry-After" in response.headers) == (status == 503)
    assert "処理できませんでした" in response.text
    assert send(client, form, request.pem).status_code == 200


def test_the_english_catalogue_has_exactly_the_texts_of_the_page() -> None:
    assert extracted() - set(texts.ENGLISH) == set()
    assert {text for text in texts.ENGLISH if text} - extracted() == set()
    for japanese, english in texts.ENGLISH.items():
        if japanese:
            assert english, japanese
            assert not JAPANESE.search(english), japanese
            assert sorted(FACT.findall(english)) == sorted(FACT.findall(japanese)), japanese


def test_no_japanese_stands_outside_of_the_catalogue() -> None:
    known = sorted(extracted() | {"日本語"}, key=len, reverse=True)
    for path in [*FOLDER.rglob("*.html"), *FOLDER.rglob("*.js")]:
        text = path.read_text(encoding="utf-8").replace("‐‑‒–—―−ー", "")
        for one in known:
            text = text.replace(one, "")
        assert not JAPANESE.search(text), path
