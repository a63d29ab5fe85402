"""Partitions and deltas of a home whose profile asks for them, as its real status door serves them to anybody."""

import http.client
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509

from ca.profile_file import PACKAGED
from tests.support.demo import Demo, found_demo

PATIENCE = 60.0


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Return a home that is not served yet."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "home").mkdir(mode=0o700)
    said = PACKAGED.read_text(encoding="utf-8").replace("partition_size: 0, delta: false", "partition_size: 10000, delta: true")
    (folder / "home" / "profiles.yaml").write_text(said, encoding="utf-8")
    return found_demo(folder)


@pytest.fixture(scope="module")
def served(demo: Demo) -> Iterator[Demo]:
    """Serve it, and wait for its lists."""
    with demo.served():
        deadline = time.monotonic() + PATIENCE
        while not (demo.home / "published" / "issuing-1.2.delta.crl").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        yield demo


def _ask(address: str, method: str = "GET", fields: Mapping[str, str] | None = None) -> http.client.HTTPResponse:
    """Ask the door; the answer's content is read."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
    connection.request(method, parts.path, headers=dict(fields or {}))
    return connection.getresponse()


def _addresses(demo: Demo) -> list[str]:
    """Return where the demo terminal's certificate sends whoever wants to know its status: to a list and its delta."""
    file = Path(demo.facts["terminal"]["folder"]) / "certificate.pem"
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    [whole] = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    [delta] = certificate.extensions.get_extension_for_class(x509.FreshestCRL).value
    return [name.value for point in (whole, delta) for name in point.full_name or ()]


def test_before_anything_is_served_every_list_is_missed(demo: Demo) -> None:
    told = demo.run("check", "crl", check=False)
    assert told.returncode == 1
    assert "/crl/issuing-1.crl: nothing is served" in told.stdout


def test_the_lists_that_a_certificate_names_are_served_and_found_well(served: Demo) -> None:
    addresses = _addresses(served)
    assert [address.rpartition("/")[2] for address in addresses] == ["issuing-1.1.crl", "issuing-1.1.delta.crl"]
    for address in addresses:
        answer = _ask(address)
        assert (answer.status, answer.getheader("Content-Type")) == (200, "application/pkix-crl")
        assert x509.load_der_x509_crl(answer.read()).next_update_utc is not None
    assert "no faults" in served.run("check", "crl").stdout
    assert served.run("jobs", "run", "crl-check").stdout.startswith("crl-check: ")


def test_the_door_knows_conditions_heads_and_parts(served: Demo) -> None:
    [address, _] = _addresses(served)
    whole = _ask(address)
    content, etag = whole.read(), whole.getheader("ETag") or ""
    head = _ask(address, "HEAD")
    assert (head.status, head.getheader("Content-Length"), head.read()) == (200, str(len(content)), b"")
    part = _ask(address, fields={"Range": "bytes=10-19"})
    assert (part.status, part.read()) == (206, content[10:20])
    unchanged = _ask(address, fields={"If-None-Match": etag})
    assert (unchanged.status, unchanged.read()) == (304, b"")
