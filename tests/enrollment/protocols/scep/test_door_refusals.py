"""What SCEP's door refuses before there is a message, and what it tells when something of ours is away."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ca.authority import Authority
from ca.issuers import SigningIssuer
from enrollment.protocols.scep import door as scep
from enrollment.protocols.scep.door import ScepDoor
from enrollment.protocols.scep.operations import Operations, RegistrationAuthority
from enrollment.redemption import Redemption
from keys.trouble import CustodyAwayError
from tests.crash.faults import BrokenKey
from tests.support.house import House
from tests.support.scep_client import challenge_of, client_key, message, read_answer, request_of
from tests.support.scep_door import operations_of


@pytest.fixture(scope="module")
def operations(shared_house: House) -> Operations:
    return operations_of(shared_house)


def _client(operations: Operations | None) -> FlaskClient:
    app = Flask("scep", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 32_768
    scep.mount(app, ScepDoor(operations))
    return app.test_client()


@pytest.fixture
def encoded(operations: Operations, shared_house: House) -> bytes:
    [(_, codes)] = shared_house.new_codes()
    return message(request_of(client_key(), challenge_of(codes)), operations.registration().certificate).der()


PKI = "?operation=PKIOperation"
CASES: list[tuple[str, str, str, int]] = [
    ("RFC 8894 §4.1: no operation", "GET", "", 400),
    ("RFC 8894 §4.1: an empty operation", "GET", "?operation=", 400),
    ("RFC 8894 §3.5.1: an operation in small letters", "GET", "?operation=getcacaps", 400),
    ("RFC 8894 §4.2: the operation of old drafts", "GET", "?operation=GetCACertChain", 400),
    ("RFC 8894 §3.5.1: capabilities by POST", "POST", "?operation=GetCACaps", 405),
    ("RFC 8894 §4.2: the authority by POST", "POST", "?operation=GetCACert", 405),
    ("RFC 8894 §4.1: a message by PUT", "PUT", PKI, 405),
    ("RFC 8894 §4.1: no message", "GET", PKI, 400),
    ("RFC 8894 §4.1: an empty message", "GET", f"{PKI}&message=", 400),
    ("RFC 4648 §3.3: a message that is no base64", "GET", f"{PKI}&message=***", 400),
    ("RFC 4648 §3.3: a message in letters of another script", "GET", f"{PKI}&message=%E3%81%82", 400),
    ("RFC 8894 §4.1: nothing posted", "POST", PKI, 400),
    ("RFC 8894 §4.7: a next authority where none comes", "GET", "?operation=GetNextCACert", 404),
]


@pytest.mark.parametrize(("method", "query", "status"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_no_such_question_is_told(operations: Operations, method: str, query: str, status: int) -> None:
    answer = _client(operations).open(f"/scep{query}", method=method)
    assert answer.status_code == status
    if method != "PUT":
        assert answer.mimetype == "text/plain"


def test_what_is_too_large_is_not_read(operations: Operations) -> None:
    """RFC 9110 §15.5.14."""
    answer = _client(operations).post(f"/scep{PKI}", data=b"0" * 32_769)
    assert (answer.status_code, answer.mimetype) == (413, "text/plain")


def test_without_a_registration_authority_it_says_so() -> None:
    """RFC 9110 §15.6.2."""
    answer = _client(None).get("/scep?operation=GetCACaps")
    assert (answer.status_code, answer.mimetype) == (501, "text/plain")
    assert "ceremony" in answer.get_data(as_text=True)


def test_a_signer_that_is_away_is_told_and_nothing_is_lost(
    operations: Operations, shared_house: House, encoded: bytes
) -> None:  # fmt: skip
    """RFC 9110 §15.6.4."""
    key = BrokenKey(shared_house.issuing.key)
    key.before = _away
    authority = Authority(SigningIssuer(shared_house.issuing.issuer, key), shared_house.profile)
    redemption = Redemption(shared_house.database, shared_house.clock, authority, shared_house.hasher)
    broken = Operations(
        shared_house.database, redemption, operations.renewal, operations.registration, operations.crl_folder
    )  # fmt: skip
    answer = _client(broken).post("/scep?operation=PKIOperation", data=encoded)
    assert (answer.status_code, answer.mimetype) == (503, "text/plain")
    assert int(answer.headers["Retry-After"]) > 0
    again = _client(operations).post("/scep?operation=PKIOperation", data=encoded)
    assert read_answer(again.get_data(), operations.registration().certificate, client_key()).status == "0"


def test_a_fault_of_ours_tells_nothing(operations: Operations, encoded: bytes) -> None:
    """RFC 9110 §15.6.1."""
    broken = Operations(operations.database, operations.redemption, operations.renewal, _broken, operations.crl_folder)
    answer = _client(broken).post("/scep?operation=PKIOperation", data=encoded)
    assert (answer.status_code, answer.mimetype) == (500, "text/plain")
    assert "of ours" not in answer.get_data(as_text=True)


def _away() -> None:
    raise CustodyAwayError("token is away")


def _broken() -> RegistrationAuthority:
    raise ZeroDivisionError("of ours")
