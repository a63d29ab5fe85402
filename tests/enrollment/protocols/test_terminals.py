"""The terminals door's REST interface, by the certificate that its TLS connection carries."""

from datetime import datetime, timedelta

import pytest
from cryptography import x509
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ca.revocation import Reason
from enrollment.protocols.certificate_answers import PEM, PKCS7
from enrollment.protocols.terminals import SUGGESTED, TerminalsDoor, create_app
from kernel.clock import day_start, tokyo_date
from tests.enrollment.renewing import Renewable, renewable
from tests.support.clock import SettableClock
from tests.support.house import OFFICE, SECURITY, House, new_request

LOGONS, RENEWALS, REISSUES, SELF = "/api/v1/logons", "/api/v1/renewals", "/api/v1/reissues", "/api/v1/terminals/self"


@pytest.fixture
def house(sqlite_house: House) -> House:
    """Return a house on SQLite: what PostgreSQL does differently is watched in the use cases' own tests."""
    return sqlite_house


@pytest.fixture
def presented() -> list[bytes]:
    """Return what the TLS connection carries: at most one certificate."""
    return []


@pytest.fixture
def client(house: House, presented: list[bytes]) -> FlaskClient:
    def certificate(_environ: object) -> bytes | None:
        return presented[0] if presented else None

    door = TerminalsDoor(house.logon, certificate, house.renewal, house.reissues, house.own_states)
    return create_app(door).test_client()


@pytest.fixture
def terminal(house: House, clock: SettableClock, presented: list[bytes]) -> Renewable:
    made = renewable(house, clock)
    presented.append(made.der)
    return made


@pytest.fixture
def body(terminal: Renewable) -> dict[str, str]:
    return {"terminal": terminal.terminal, "access_key": terminal.access_key}


def csr() -> dict[str, str]:
    return {"csr": new_request().pem.decode()}


def told(response: TestResponse) -> tuple[int, str]:
    assert response.mimetype == "application/problem+json"
    return response.status_code, str(response.get_json()["code"])


def test_a_good_terminal_is_permitted_and_told_when_to_renew(client: FlaskClient, house: House, body: dict[str, str]) -> None:
    response = client.post(LOGONS, json=body)
    assert (response.status_code, response.get_json()) == (200, {"permitted": True})
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers[SUGGESTED] == client.get(SELF).get_json()["renewal"]["suggested"]
    del house


def test_a_refusal_carries_the_domains_code(client: FlaskClient, house: House, body: dict[str, str]) -> None:
    house.endings.revoke(body["terminal"], Reason.KEY_COMPROMISE, SECURITY)
    response = client.post(LOGONS, json=body)
    assert told(response) == (403, "A0036")
    assert "revoked" in response.get_json()["title_en"]


def test_a_terminal_renews_and_is_answered_the_same_again(client: FlaskClient, terminal: Renewable) -> None:
    request = csr()
    first, again = client.post(RENEWALS, json=request), client.post(RENEWALS, json=request)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.get_json() == again.get_json()
    answer = first.get_json()
    assert set(answer) == {"terminal", "serial", "not_before", "not_after", "certificate", "chain"}
    assert answer["serial"] == terminal.current()
    assert first.headers["Cache-Control"] == "no-store"
    # The next window's, not that of the certificate that was presented.
    assert first.headers[SUGGESTED] > answer["not_before"]
    assert told(client.post(RENEWALS, json=csr())) == (409, "renewal-spent")


@pytest.mark.parametrize("form", [PEM, PKCS7])
def test_the_client_chooses_the_form(client: FlaskClient, terminal: Renewable, form: str) -> None:
    response = client.post(RENEWALS, json=csr(), headers={"Accept": form})
    assert (response.status_code, response.mimetype) == (201, form)
    del terminal


def test_without_a_certificate_everything_answers_e103(client: FlaskClient) -> None:
    answers = [
        client.get(SELF),
        client.post(RENEWALS, json=csr()),
        client.post(REISSUES, json={"reason": "pc-replaced"}),
        client.post(LOGONS, json={"terminal": "99999W", "access_key": "1"}),
    ]
    assert {told(answer) for answer in answers} == {(403, "E103")}


def test_outside_the_window_the_answer_says_the_days(
    client: FlaskClient, terminal: Renewable, clock: SettableClock
) -> None:  # fmt: skip
    first, last = (tokyo_date(terminal.old.not_after) - timedelta(days=ahead) for ahead in (28, 0))
    clock.instant = day_start(first) - timedelta(seconds=1)
    early = client.post(RENEWALS, json=csr())
    clock.instant = terminal.old.not_after + timedelta(seconds=1)
    late = client.post(RENEWALS, json=csr())
    assert (told(early), told(late)) == ((403, "renewal-too-early"), (403, "renewal-too-late"))
    assert all(str(day) in response.get_json()["title_en"] for response in (early, late) for day in (first, last))


def test_a_terminal_is_told_of_itself(client: FlaskClient, terminal: Renewable) -> None:
    response = client.get(SELF)
    state = response.get_json()
    assert response.status_code == 200
    assert response.headers["Retry-After"] == "21600"
    assert {name: state[name] for name in ("terminal", "office_code", "state", "reissue")} == {
        "terminal": terminal.terminal,
        "office_code": OFFICE,
        "state": "in_service",
        "reissue": None,
    }
    assert (state["certificate"]["serial"], state["certificate"]["state"]) == (terminal.old.serial, "valid")
    assert datetime.fromisoformat(state["answered_at"]) == terminal.house.clock.now()
    renewal = state["renewal"]
    assert (renewal["possible_now"], renewal["blocked_by_reissue"]) == (True, False)
    assert renewal["suggested_window"]["start"] <= renewal["suggested"] < renewal["suggested_window"]["end"]
    assert response.headers[SUGGESTED] == renewal["suggested"]


def test_a_suspended_terminal_is_told_so(client: FlaskClient, terminal: Renewable) -> None:
    terminal.house.endings.suspend(terminal.terminal, SECURITY)
    state = client.get(SELF).get_json()
    assert (state["state"], state["certificate"]["state"], state["renewal"]["possible_now"]) == ("suspended", "held", False)


def test_who_is_not_current_any_more_is_told_why(client: FlaskClient, terminal: Renewable, clock: SettableClock) -> None:
    renewed = terminal.renew().certificate
    replaced = client.get(SELF)
    terminal.log_on(renewed.der)
    superseded = client.get(SELF)
    assert [told(answer) for answer in (replaced, superseded)] == [(403, "A0036"), (403, "A0036")]
    assert "replaced" in replaced.get_json()["title_en"]
    assert "superseded" in superseded.get_json()["title_en"]
    del clock


def test_an_expired_certificate_is_told_so(client: FlaskClient, terminal: Renewable, clock: SettableClock) -> None:
    clock.instant = terminal.old.not_after + timedelta(seconds=1)
    assert told(client.get(SELF)) == (403, "E104")


def test_a_foreign_certificate_is_told_so(
    client: FlaskClient, presented: list[bytes], house: House, terminal: Renewable
) -> None:  # fmt: skip
    presented[:] = [house.issuing.issuer.der]
    answers = [client.get(SELF), client.post(RENEWALS, json=csr()), client.post(REISSUES, json={"reason": "lost"})]
    assert {told(answer) for answer in answers} == {(403, "certificate-foreign")}
    del terminal


def test_the_old_pc_asks_for_a_reissue(client: FlaskClient, terminal: Renewable) -> None:
    response = client.post(REISSUES, json={"reason": "pc-replaced", "remark": "届きました"})
    assert response.status_code == 202
    answer = response.get_json()
    assert (answer["terminal"], answer["reason"], answer["state"]) == (terminal.terminal, "pc-replaced", "requested")
    assert told(client.post(REISSUES, json={"reason": "os-replaced"})) == (409, "reissue-open")
    assert client.get(SELF).get_json()["reissue"] == answer
    terminal.house.reissues.accept(answer["id"], SECURITY)
    state = client.get(SELF).get_json()
    assert (state["renewal"]["possible_now"], state["renewal"]["blocked_by_reissue"]) == (False, True)
    assert told(client.post(RENEWALS, json=csr())) == (409, "reissue-pending")


@pytest.mark.parametrize("content", [{}, {"reason": "because"}, {"reason": "lost", "remark": 1}, {"reason": "lost", "who": "me"}])
def test_a_malformed_reissue_is_refused(client: FlaskClient, terminal: Renewable, content: dict[str, object]) -> None:
    assert told(client.post(REISSUES, json=content)) == (400, "request-malformed")
    assert told(client.post(REISSUES, json={"reason": "lost", "remark": "x" * 501})) == (400, "request-malformed")
    del terminal


def test_a_request_that_is_none_renews_nothing(client: FlaskClient, terminal: Renewable) -> None:
    assert told(client.post(RENEWALS, json={"csr": "no request"})) == (422, "csr-malformed")
    assert told(client.post(RENEWALS, json={})) == (400, "request-malformed")
    assert told(client.post(RENEWALS, data="x", content_type="text/plain")) == (415, "media-type")
    assert terminal.renewals() == []


def test_the_certificate_that_came_is_the_terminals(client: FlaskClient, terminal: Renewable) -> None:
    answer = client.post(RENEWALS, json=csr()).get_json()
    issued = x509.load_pem_x509_certificate(answer["certificate"].encode())
    assert issued.subject == x509.load_der_x509_certificate(terminal.der).subject
