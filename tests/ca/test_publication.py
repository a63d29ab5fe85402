import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask.testing import FlaskClient

from ca.crl import CrlPublisher
from ca.ocsp_answer import CACHE_SECONDS
from ca.ocsp_requests import LARGEST_REQUEST
from ca.publication import Publication, create_app
from kernel import audit
from kernel.audit import CheckpointSigner
from keys.custody import KeyAlgorithm
from tests.ca.issuance import issue
from tests.ca.ocsp_requests import Told, cert_id, error, nonce, request
from tests.support.clock import SettableClock
from tests.support.house import House

TYPE = "application/ocsp-request"


@pytest.fixture
def door(house: House) -> Iterator[FlaskClient]:
    app = create_app(Publication(house.database, house.clock, house.responder, house.crl_folder, house.timestamps))
    with app.test_client() as client:
        yield client


def test_ocsp_answers_post(door: FlaskClient, house: House) -> None:
    asked = request(cert_id(house.issuing.issuer, issue(house).serial))
    response = door.post("/ocsp", data=asked, content_type=TYPE)
    assert response.status_code == 200
    assert response.mimetype == "application/ocsp-response"
    assert Told(response.data, house.issuing.issuer).statuses == ["good"]


@pytest.mark.parametrize("length", range(1, 24))
def test_ocsp_answers_get_whatever_the_base64(door: FlaskClient, house: House, length: int) -> None:
    asked = request(cert_id(house.issuing.issuer, "7f"), extensions=[nonce(b"\xff\xef\xbe" * length)])
    encoded = base64.b64encode(asked).decode("ascii")
    for path in (quote(encoded, safe=""), quote(encoded, safe="/+="), quote(encoded, safe="/=")):
        response = door.get(f"/ocsp/{path}")
        assert Told(response.data, house.issuing.issuer).nonce == b"\xff\xef\xbe" * length


@pytest.mark.parametrize("path", ["AAAA", "%%%", "not base64!", "=", "\u3042"])
def test_a_get_that_is_no_request_is_malformed(door: FlaskClient, path: str) -> None:
    response = door.get(f"/ocsp/{quote(path)}")
    assert response.status_code == 200
    assert error(response.data) == "malformed_request"
    assert response.headers["Cache-Control"] == "no-store"


def test_another_type_and_too_much_are_refused(door: FlaskClient) -> None:
    assert door.post("/ocsp", data=b"x", content_type="text/plain").status_code == 415
    answer = door.post("/ocsp", data=bytes(LARGEST_REQUEST + 1), content_type=TYPE)
    assert error(answer.data) == "malformed_request"
    assert door.get("/ocsp").status_code == 405


def test_an_answer_without_nonce_may_be_cached_for_a_minute(door: FlaskClient, house: House) -> None:
    encoded = base64.b64encode(request(cert_id(house.issuing.issuer, issue(house).serial))).decode("ascii")
    response = door.get(f"/ocsp/{quote(encoded, safe='')}")
    assert response.cache_control.max_age == CACHE_SECONDS == 60
    assert response.last_modified == house.clock.now()
    etag = response.headers["ETag"]
    # Each signature is another one, so an entity tag holds only for what was sent.
    assert etag.strip('"') != ""


def test_an_answer_with_nonce_is_not_cached(door: FlaskClient, house: House) -> None:
    encoded = base64.b64encode(request(cert_id(house.issuing.issuer, "7f"), extensions=[nonce(b"12345678")])).decode("ascii")
    assert door.get(f"/ocsp/{quote(encoded, safe='')}").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["issuing-1", "root"])
def test_crls_and_ca_certificates_are_served_as_published(door: FlaskClient, house: House, name: str) -> None:
    response = door.get(f"/crl/{name}.crl")
    assert (response.status_code, response.mimetype) == (200, "application/pkix-crl")
    assert response.data == (house.crl_folder / f"{name}.crl").read_bytes()
    response = door.get(f"/ca/{name}.cer")
    assert (response.status_code, response.mimetype) == (200, "application/pkix-cert")
    assert x509.load_der_x509_certificate(response.data) in (house.root.certificate, house.issuing.issuer.certificate)


def test_who_has_the_newest_list_is_told_so(door: FlaskClient, house: House, clock: SettableClock) -> None:
    first = door.get("/crl/issuing-1.crl")
    again = door.get("/crl/issuing-1.crl", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    house.crl.publish(clock.advance(timedelta(minutes=1)))
    newer = door.get("/crl/issuing-1.crl", headers={"If-None-Match": first.headers["ETag"]})
    assert newer.status_code == 200
    assert newer.data != first.data


def test_a_list_may_be_cached_for_two_seconds_and_is_told_apart_afterwards(door: FlaskClient, house: House) -> None:
    response = door.get("/crl/issuing-1.crl")
    assert (response.cache_control.max_age, response.cache_control.public) == (2, True)
    assert response.content_length == house.crl.file.stat().st_size == len(response.data)
    assert response.last_modified == datetime.fromtimestamp(int(house.crl.file.stat().st_mtime), UTC)
    etag, is_weak = response.get_etag()
    assert etag
    assert not is_weak
    assert response.headers["Accept-Ranges"] == "bytes"


# What is asked on condition, and the answer; the first answer's fields are filled in.
CONDITIONS: list[tuple[dict[str, str], int]] = [
    ({"If-None-Match": "{etag}"}, 304),
    ({"If-None-Match": 'W/{etag}, "other"'}, 304),
    ({"If-None-Match": "*"}, 304),
    ({"If-None-Match": '"other"'}, 200),
    ({"If-Modified-Since": "{modified}"}, 304),
    ({"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 200),
    ({"If-Modified-Since": "yesterday"}, 200),
    ({"If-None-Match": '"other"', "If-Modified-Since": "{modified}"}, 200),  # RFC 9110 §13.2.2: the tag decides
    ({"If-None-Match": "{etag}", "If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 304),
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_asks_whether_a_list_has_changed_is_told(door: FlaskClient, house: House, method: str) -> None:
    first = door.get("/crl/issuing-1.crl")
    known = {"etag": first.headers["ETag"], "modified": first.headers["Last-Modified"]}
    for asked, status in CONDITIONS:
        fields = {name: value.format_map(known) for name, value in asked.items()}
        response = door.open("/crl/issuing-1.crl", method=method, headers=fields)
        assert response.status_code == status, asked
        assert response.data == (house.crl.file.read_bytes() if (method, status) == ("GET", 200) else b"")
        for name in ("ETag", "Cache-Control", *(("Last-Modified",) if status == 200 else ())):  # RFC 9110 §15.4.5
            assert response.headers[name] == first.headers[name]


def test_head_tells_what_get_would(door: FlaskClient) -> None:
    got, told = door.get("/crl/issuing-1.crl"), door.head("/crl/issuing-1.crl")
    assert told.data == b""
    assert dict(told.headers) == dict(got.headers)


def test_a_part_of_a_list_is_served(door: FlaskClient, house: House) -> None:
    content = house.crl.file.read_bytes()
    for asked, begin, end in (("0-9", 0, 10), ("100-", 100, None), ("-20", -20, None), ("5-99999", 5, None)):
        response = door.get("/crl/issuing-1.crl", headers={"Range": f"bytes={asked}"})
        assert (response.status_code, response.data) == (206, content[begin:end])
        first = content.index(response.data)
        assert response.headers["Content-Range"] == f"bytes {first}-{first + len(response.data) - 1}/{len(content)}"
        assert response.content_length == len(response.data)


def test_a_range_that_makes_no_sense_is_passed_over(door: FlaskClient, house: House) -> None:
    for asked in ("bytes=9-1", "octets=0-9", "bytes=", "bytes=0-1,5-9", "nonsense"):
        response = door.get("/crl/issuing-1.crl", headers={"Range": asked})
        assert (response.status_code, response.data) == (200, house.crl.file.read_bytes()), asked


def test_a_range_behind_the_end_is_refused(door: FlaskClient, house: House) -> None:
    response = door.get("/crl/issuing-1.crl", headers={"Range": "bytes=100000-"})
    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{house.crl.file.stat().st_size}"


def test_the_parts_of_two_lists_are_never_put_together(door: FlaskClient, house: House, clock: SettableClock) -> None:
    etag = door.get("/crl/issuing-1.crl", headers={"Range": "bytes=0-9"}).headers["ETag"]
    rest = {"Range": "bytes=10-", "If-Range": etag}
    assert door.get("/crl/issuing-1.crl", headers=rest).status_code == 206
    house.crl.publish(clock.advance(timedelta(minutes=1)))
    whole = door.get("/crl/issuing-1.crl", headers=rest)
    assert (whole.status_code, whole.data) == (200, house.crl.file.read_bytes())


def test_partitions_and_deltas_are_served_and_what_there_is_none_of_is_not_found(door: FlaskClient, house: House) -> None:
    assert door.get("/crl/issuing-1.delta.crl").status_code == 404
    assert door.get("/crl/issuing-1.1.crl").status_code == 404
    addresses = house.profile.addresses
    CrlPublisher(
        house.database, house.issuing, house.crl_folder, addresses=addresses, partition_size=10_000, delta=True
    ).publish_if_due(house.clock.now())
    for name in ("issuing-1.delta", "issuing-1.1", "issuing-1.1.delta", "issuing-1.2"):
        assert door.get(f"/crl/{name}.crl").data == (house.crl_folder / f"{name}.crl").read_bytes()
    for name in ("issuing-1.3", "issuing-1.0", "issuing-1.01", "issuing-1.1.delta.delta", "root.delta"):
        assert door.get(f"/crl/{name}.crl").status_code == 404


@pytest.mark.parametrize(
    "path", ["/crl/nobody.crl", "/ca/nobody.cer", "/crl/../root.crl", "/crl/..%2Froot.crl", "/", "/static/x"]
)
def test_what_is_not_published_is_not_found(door: FlaskClient, path: str) -> None:
    assert door.get(path).status_code == 404


def test_a_list_that_was_lost_is_unavailable_until_it_is_back(door: FlaskClient, house: House) -> None:
    house.crl.file.unlink()
    assert door.get("/crl/issuing-1.crl").status_code == 503
    house.crl.publish_if_due(house.clock.now())
    assert door.get("/crl/issuing-1.crl").status_code == 200


def test_the_newest_head_of_the_log_is_public(door: FlaskClient, house: House) -> None:
    assert door.get("/checkpoint").status_code == 404
    key = house.keys.create("checkpoint", KeyAlgorithm.ED25519)
    assert isinstance(key, Ed25519PrivateKey)
    audit.seal(
        house.database, CheckpointSigner("example.jp/log", key.public_key().public_bytes_raw(), key.sign), now=house.clock.now()
    )
    response = door.get("/checkpoint")
    assert response.mimetype == "text/plain"
    assert response.text.startswith("example.jp/log\n")
