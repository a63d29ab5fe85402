import base64
import re
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from enrollment.windows_scripts import WindowsScripts
from kernel.errors import Refused
from tests.support.localhost_tls import localhost_credentials

DOOR = "https://retrieval.example.jp:8444"
# What certreq knows in [NewRequest], of what we use, and the values that it takes (Microsoft's reference of certreq -new).
DIRECTIVES = {
    "Subject": r'"CN=[0-9A-Z]+"',
    "FriendlyName": r'"[0-9A-Z]+"',
    "RequestType": r"PKCS10|PKCS7|CMC|Cert|SCEP",
    "KeyAlgorithm": r"RSA|DH|DSA|ECDH_P256|ECDH_P521|ECDSA_P256|ECDSA_P384|ECDSA_P521",
    "KeyLength": r"\d+",
    "HashAlgorithm": r"(?i:sha256|sha384|sha512|sha1|md5|md4|md2)",
    "KeyUsage": r"0x[0-9a-f]+",
    "Exportable": r"(?i:true|false)",
    "MachineKeySet": r"(?i:true|false)",
    "ProviderName": r'"Microsoft (Software Key Storage Provider|Platform Crypto Provider)"',
}
PAIRS = {")": "(", "]": "[", "}": "{"}
# Comments, here-strings and strings of one line, as PowerShell reads them; then single characters.
TOKEN = re.compile(r"""<#.*?#>|#[^\r\n]*|@'\r\n.*?\r\n'@|'(?:[^'\r\n]|'')*'|"(?:[^"`\r\n]|`.|"")*"|.""", re.DOTALL)


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


def directives(content: bytes) -> dict[str, dict[str, str]]:
    """Read an INF file: sections of name = value, each name once, comments on lines of their own."""
    parser = ConfigParser(delimiters=("=",), comment_prefixes=(";",), interpolation=None, default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # its documented use
    parser.read_string(content.decode("ascii"))
    return {name: dict(parser[name]) for name in parser.sections()}


def test_every_directive_is_one_that_certreq_knows_and_quoted_where_it_must_be(scripts: WindowsScripts) -> None:
    content = directives(scripts.request_file("99999W"))
    assert set(content) == {"Version", "NewRequest"}
    assert content["Version"] == {"Signature": '"$Windows NT$"'}
    request = content["NewRequest"]
    assert request.keys() <= DIRECTIVES.keys()
    assert [name for name, value in request.items() if not re.fullmatch(DIRECTIVES[name], value)] == []
    # Blanks, commas, semicolons and equals signs mean something unless they are quoted.
    bare = [value for value in request.values() if not re.fullmatch(r'"[^"]*"', value)]
    assert [value for value in bare if re.search(r'[\s,;="%]', value)] == []
    assert (request["KeyAlgorithm"], request["KeyLength"]) == ("ECDSA_P256", "256")
    assert int(request["KeyUsage"], 16) == 0x80  # CERT_DIGITAL_SIGNATURE_KEY_USAGE


def test_the_script_holds_the_very_request(scripts: WindowsScripts) -> None:
    text = scripts.script("99999W").decode("utf-8-sig")
    [within] = re.findall(r"@'\r\n(.*?)\r\n'@\r\n", text, re.DOTALL)
    assert directives(within.encode()) == directives(scripts.request_file("99999W"))


def _flaws(script: str) -> Iterator[str]:
    """Find strings that do not end on their line, and brackets outside of strings and comments that do not fit."""
    opened: list[str] = []
    for token in TOKEN.findall(script):
        if token in {"'", '"'}:
            yield "a string without end"
        elif token in PAIRS.values():
            opened.append(token)
        elif token in PAIRS and (not opened or opened.pop() != PAIRS[token]):
            yield f"nothing to close: {token}"
    yield from (f"not closed: {bracket}" for bracket in opened)


def test_strings_end_and_brackets_fit_in_the_script(scripts: WindowsScripts) -> None:
    text = scripts.script("99999W").decode("utf-8-sig")
    assert list(_flaws(text)) == []


SPOILT: dict[str, Callable[[str], str]] = {
    "a brace is missing": lambda text: text.replace("exit 1\r\n}", "exit 1\r\n", 1),
    "a bracket too many": lambda text: text.replace("Add-Roots\r\n$csr", "Add-Roots)\r\n$csr", 1),
    "a quote is missing": lambda text: text.replace("$ErrorActionPreference = 'Stop'", "$ErrorActionPreference = 'Stop", 1),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_a_planted_slip_of_the_script_is_found(scripts: WindowsScripts, spoil: Callable[[str], str]) -> None:
    text = scripts.script("99999W").decode("utf-8-sig")
    spoilt = spoil(text)
    assert spoilt != text
    assert list(_flaws(spoilt))
