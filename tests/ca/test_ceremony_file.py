import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.ceremony import Ceremony, service_certificate
from ca.plan import Plan, usual_plan
from ca.plan_file import Surroundings, read, render
from ca.profiles import Addresses, ServerNames
from ca.yaml_lines import FileFault
from kernel.database import Database
from keys.custody import SoftwareKeys
from tests.ca.trial import NOW
from tests.support.schema import ROOT

FILE = Path("ceremony.yaml")
ADDRESSES = Addresses("http://status.example.jp")
WHOLE = """\
organization: Trial Network   # line 1
authorities:
  - name: root
    common_name: Trial Root
    algorithm: p384
    years: 20
  - name: issuing-1
    under: root
    common_name: Trial Issuing CA 1
    algorithm: p256
    years: 10
    custody: software
    crl: { period_days: 1, lifetime_days: 3 }
services:
  - name: ocsp
    kind: ocsp
    under: issuing-1
    common_name: Trial OCSP
    algorithm: p256
    years: 2
  - { name: timestamp, kind: timestamp, under: issuing-1, common_name: Trial time stamps, algorithm: p256, years: 2 }
  - { name: document, kind: document, under: issuing-1, common_name: Trial documents, algorithm: p384, years: 2 }
  - { name: scep, kind: scep, under: issuing-1, common_name: Trial SCEP, algorithm: rsa3072, years: 2 }
  - { name: cmp, kind: cmp, under: issuing-1, common_name: Trial CMP, algorithm: ed25519, years: 2 }
  - name: mail
    kind: mail
    under: issuing-1
    common_name: Trial center
    algorithm: p256
    years: 2
    mail: center@example.jp
  - { name: tls-portal, kind: server, under: issuing-1, algorithm: p256, years: 2, hosts: [portal.example.jp, 192.0.2.7] }
"""
# What `openssl verify` is to agree with, and what `openssl x509 -purpose` must deny.
PURPOSES = {
    "timestamp": ("timestampsign", "sslserver"),
    "ocsp": ("ocsphelper", "sslserver"),
    "tls-portal": ("sslserver", "smimesign"),
    "mail": ("smimesign", "sslserver"),
    "document": ("any", "sslserver"),
    "scep": ("any", "sslclient"),
    "cmp": ("any", "sslclient"),
}


def plan_of(text: str, folder: Path = Path("published")) -> Plan:
    return read(text.encode(), FILE, Surroundings(ADDRESSES, folder, lambda _name: "software"))


def hold(database: Database, folder: Path, text: str, now: datetime = NOW) -> bool:
    return Ceremony(database, SoftwareKeys(folder / "keys", b"secret"), plan_of(text, folder / "published")).hold(now)


def _pem(database: Database, folder: Path, *names: str) -> Path:
    ders = (service_certificate(database, name) for name in names)
    file = folder / f"{'-'.join(names)}.pem"
    file.write_bytes(b"".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in ders))
    return file


def test_the_usual_plan_reads_back_as_it_was_written(tmp_path: Path) -> None:
    doors = {"portal": ServerNames(("localhost", "portal.example.jp"))}
    plan = usual_plan('Trial "Network" \\ Ltd', ADDRESSES, doors, tmp_path)
    again = plan_of(render(plan), tmp_path)
    assert [(one.name, one.common_name, one.crl_period) for one in again.authorities] == [
        (one.name, one.common_name, one.crl_period) for one in plan.authorities
    ]
    assert [(one.name, one.common_name, one.names) for one in again.services] == [
        (one.name, one.common_name, one.names) for one in plan.services
    ]
    assert again.organization == plan.organization


def test_names_of_a_long_organization_are_short_enough(tmp_path: Path) -> None:
    plan = usual_plan("N" * 64, ADDRESSES, {}, tmp_path)
    assert max(len(name) for name in (*(a.common_name for a in plan.authorities), *(s.common_name for s in plan.services))) == 64


def test_an_instant_is_read_with_its_zone() -> None:
    plan = plan_of(WHOLE.replace("under: root", "under: root\n    issues_from: 2027-04-01T00:00:00+09:00"))
    assert plan.authorities[1].issues_from == datetime(2027, 3, 31, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("organization: Trial Network", "organization: ''", 1, "organization: String should have"),
        ("authorities:", "authority:", 2, "authority: is nothing that is known here"),
        ("name: issuing-1", "name: root", 7, "root: the name is taken"),
        ("name: issuing-1", "name: codes", 7, "codes: the name is taken"),
        ("name: issuing-1", "name: 'a b'", 7, "String should match"),
        ("under: root", "under: nobody", 8, "issuing-1: nobody is no root of this file"),
        ("Trial Issuing CA 1", "Trial Root", 9, "another authority has this common_name"),
        ("algorithm: p256", "algorithm: md5", 10, "Input should be"),
        ("years: 10", "years: 21", 11, "issuing-1: lives longer than root"),
        ("custody: software", "custody: pkcs11", 12, "keep this key in custody software"),
        ("period_days: 1", "period_days: 3", 13, "period_days must be less"),
        ("years: 20", "years: 20\n    issues_from: 2027-04-01T00:00:00Z", 7, "a root gives terminals no certificates"),
        ("years: 10", "years: 10\n    issues_from: 2027-04-01T00:00:00", 12, "an instant needs its zone"),
        ("years: 10", "years: 10\n    replaces: root", 12, "only a root is linked"),
        ("years: 20", "years: 20\n    replaces: root", 7, "root is no other root"),
        ("kind: ocsp", "kind: document", 7, "an issuing CA has one service of the kind ocsp"),
        ("under: issuing-1", "under: root", 17, "root is no issuing CA"),
        ("rsa3072", "p256", 23, "scep: a certificate of the kind scep needs one of rsa3072, rsa4096"),
        ("mail: center@example.jp", "hosts: [example.jp]", 25, "no other, has a mail address"),
        ("mail: center@example.jp", "mail: center", 31, "String should match"),
        ("name: tls-portal", "name: portal", 32, "a server's key begins with tls-"),
        ("[portal.example.jp, 192.0.2.7]", "[192.0.2.7]", 32, "needs a host name"),
        ("portal.example.jp", "Portal_1", 32, "must be a host name"),
        ("authorities:", "authorities: [", 2, "is not YAML"),
    ],
)
def test_each_fault_is_told_with_its_line(old: str, new: str, line: int, told: str) -> None:
    with pytest.raises(FileFault) as refusal:
        plan_of(WHOLE.replace(old, new, 1))
    lines = {int(fault.split(":")[1]): fault for fault in refusal.value.faults}
    assert told in str(refusal.value)
    assert line in lines or ("YAML" in told and max(lines) >= line)


def test_all_faults_are_told_at_once_and_no_key_is_made(database: Database, tmp_path: Path) -> None:
    bad = WHOLE.replace("years: 10", "years: 21").replace("under: root", "under: nobody").replace("rsa3072", "p256")
    with pytest.raises(FileFault) as refusal:
        hold(database, tmp_path, bad)
    assert len(refusal.value.faults) == 2 + bad.count("years: 21") - 1
    assert not (tmp_path / "keys").exists()


def test_openssl_agrees_with_every_certificate(database: Database, tmp_path: Path) -> None:
    assert hold(database, tmp_path, WHOLE)
    at = str(int((NOW + timedelta(days=1)).timestamp()))
    root, issuing = _pem(database, tmp_path, "root"), _pem(database, tmp_path, "issuing-1")
    for name, (purpose, denied) in PURPOSES.items():
        leaf = _pem(database, tmp_path, name)
        command = ["openssl", "verify", "-x509_strict", "-attime", at, "-CAfile", str(root), "-untrusted", str(issuing)]
        judged = subprocess.run([*command, "-purpose", purpose, str(leaf)], capture_output=True, text=True, check=False)
        assert judged.returncode == 0, (name, judged.stderr)
        assert subprocess.run([*command, "-purpose", denied, str(leaf)], capture_output=True, check=False).returncode != 0, name


def test_repeated_it_changes_nothing_and_what_is_new_is_added(database: Database, tmp_path: Path) -> None:
    hold(database, tmp_path, WHOLE)
    assert not hold(database, tmp_path, WHOLE, NOW + timedelta(minutes=1))
    more = (
        "  - { name: mail-2, kind: mail, under: issuing-1, common_name: More, algorithm: p256, years: 1, mail: b@example.jp }\n"
    )
    assert hold(database, tmp_path, WHOLE + more, NOW + timedelta(minutes=2))
    assert service_certificate(database, "mail-2")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("Trial Issuing CA 1", "Other", "organization or common_name"),
        ("algorithm: p384\n    years: 20", "algorithm: p256\n    years: 20", "algorithm"),
        ("years: 10", "years: 9", "years"),
        ("portal.example.jp, 192", "portal2.example.jp, 192", "subjectAltName"),
        ("center@example.jp", "other@example.jp", "subjectAltName"),
        ("kind: document", "kind: cmp", "extendedKeyUsage"),
        ("under: root", "under: root\n    issues_from: 2029-01-01T00:00:00Z", "issues since"),
    ],
)
def test_what_stands_is_not_altered(database: Database, tmp_path: Path, old: str, new: str, told: str) -> None:
    hold(database, tmp_path, WHOLE)
    keys = sorted((tmp_path / "keys").iterdir())
    more = (
        "  - { name: mail-2, kind: mail, under: issuing-1, common_name: More, algorithm: p256, years: 1, mail: b@example.jp }\n"
    )
    changed = WHOLE.replace(old, new, 1).replace("algorithm: p384, years: 2", "algorithm: p384, years: 2") + more
    with pytest.raises(FileFault, match=told):
        hold(database, tmp_path, changed, NOW + timedelta(minutes=1))
    assert sorted((tmp_path / "keys").iterdir()) == keys


def test_nothing_new_outlives_who_signs_it(database: Database, tmp_path: Path) -> None:
    hold(database, tmp_path, WHOLE)
    more = (
        "  - { name: mail-2, kind: mail, under: issuing-1, common_name: More, algorithm: p256, years: 2, mail: b@example.jp }\n"
    )
    with pytest.raises(FileFault, match="mail-2: would outlive issuing-1"):
        hold(database, tmp_path, WHOLE + more, NOW + timedelta(days=365 * 9))


def test_the_example_of_the_manual_is_a_file() -> None:
    manual = (ROOT / "docs" / "ceremony.md").read_text(encoding="utf-8")
    block = manual[manual.index("    organization:") : manual.index("Further kinds")]
    example = "\n".join(line.removeprefix("    ") for line in block.splitlines())
    plan = read(example.encode(), FILE, Surroundings(ADDRESSES, Path("published"), lambda _name: "pkcs11"))
    assert [one.name for one in plan.authorities] == ["root", "issuing-1"]


def test_the_names_of_links_between_roots_are_taken() -> None:
    second = "  - { name: root-2, common_name: Second, algorithm: p256, years: 9, replaces: root }\nservices:"
    with pytest.raises(FileFault, match="root-by-root-2: the name is taken"):
        plan_of(WHOLE.replace("services:", second).replace("name: timestamp", "name: root-by-root-2"))
