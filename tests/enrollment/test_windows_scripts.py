import base64
import re
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from enrollment.windows_scripts import WindowsScripts
from kernel.errors import Refused
from tests.support.localhost_tls import localhost_credentials

DOOR = "https://retrieval.example.jp:8444"


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    return localhost_credentials(tmp_path)[1].read_bytes()


@pytest.fixture
def scripts(root: bytes) -> WindowsScripts:
    return WindowsScripts(DOOR, root)


def test_the_request_file_is_plain_ascii_with_the_line_ends_of_windows(scripts: WindowsScripts) -> None:
    content = scripts.request_file("99999W")
    assert content.isascii()
    assert content.count(b"\n") == content.count(b"\r\n") > 10
    for line in (b'Subject = "CN=99999W"', b"Exportable = FALSE", b"KeyAlgorithm = ECDSA_P256", b"MachineKeySet = FALSE"):
        assert line + b"\r\n" in content


def test_the_script_carries_a_byte_order_mark_the_request_and_the_roots(scripts: WindowsScripts, root: bytes) -> None:
    content = scripts.script("99999W")
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\n") == content.count(b"\r\n")
    text = content.decode("utf-8-sig")
    assert f"$Door = '{DOOR}'" in text
    assert 'Subject = "CN=99999W"' in text
    [found] = re.findall(r"'(MII[A-Za-z0-9+/=]+)'", text)
    assert base64.b64decode(found) == x509.load_pem_x509_certificate(root).public_bytes(Encoding.DER)
    assert not re.search(r"@[A-Z]+@", text)


def test_codes_are_asked_for_and_sent_in_the_body_only(scripts: WindowsScripts) -> None:
    text = scripts.script("99999W").decode("utf-8-sig")
    for name in ("access_key", "auth_code_1", "auth_code_2", "auth_code_3", "office_code"):
        assert re.search(rf"^    {name} +=", text, re.MULTILINE)
    assert re.findall(r"https?://[^'\s]+", text) == [DOOR]
    assert re.findall(r"PostAsync\((.+?), ", text) == ['"$Door/api/v1/retrievals"']


@pytest.mark.parametrize("terminal", ["", "99999", "99999w", "99999W\n", "９９９９９Ｗ", "99999W'; rm", "../99999W"])
def test_what_is_no_terminals_name_makes_no_script(scripts: WindowsScripts, terminal: str) -> None:
    for make in (scripts.request_file, scripts.script):
        with pytest.raises(Refused, match="terminal-name-invalid"):
            make(terminal)


@pytest.mark.parametrize("door", ["http://example.jp", "https://example.jp'; rm", "https://example.jp/$(x)"])
def test_an_address_that_could_mean_something_to_powershell_makes_no_script(root: bytes, door: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        WindowsScripts(door, root).script("99999W")
