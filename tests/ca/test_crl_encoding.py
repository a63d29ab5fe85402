"""Spliced lists are, to the octet, what pyca's builder makes of the same facts."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from ca import crl_drafts
from ca.crl_blocks import Piece
from ca.crl_drafts import ListFaultError
from ca.crl_encoding import Frame, entry, frame, list_name
from ca.issuers import SigningIssuer
from keys.algorithms import ALGORITHMS
from tests.ca.trial import NOW, trial_issuer

REASONS = [None, "unspecified", "certificateHold", "removeFromCRL", "keyCompromise", "cACompromise", "affiliationChanged"]
REASONS += ["superseded", "cessationOfOperation", "privilegeWithdrawn", "aACompromise"]
# Either side of 2050, where UTCTime ends.
INSTANTS = some.datetimes(datetime(1970, 1, 1), datetime(2080, 1, 1), timezones=some.just(UTC))  # noqa: DTZ001 (hypothesis adds it)
ENTRIES = some.tuples(some.integers(1, (1 << 159) - 1), INSTANTS, some.sampled_from(REASONS), some.one_of(some.none(), INSTANTS))
POINT = x509.DistributionPoint([x509.UniformResourceIdentifier("http://status.example.jp/crl/x.crl")], None, None, None)
EXTENSIONS = some.lists(
    some.sampled_from(
        [(x509.CRLNumber(1 << 40), False), (x509.DeltaCRLIndicator(127), True), (x509.FreshestCRL([POINT]), False)]
    ),
    max_size=3,
    unique_by=lambda pair: pair[0].oid,
)


@dataclass(frozen=True)
class _Loose:
    """Pieces that come out of no database."""

    loose: Sequence[Piece]

    def pieces(self) -> Iterator[Piece]:
        return iter(self.loose)


def _list(framed: Frame, pieces: list[Piece], folder: Path, signer: SigningIssuer | None = None) -> bytes:
    signer = signer or trial_issuer()
    with crl_drafts.stage(signer.issuer, framed, _Loose(pieces), folder / "x.crl") as stage:
        return stage.sign(signer).path.read_bytes()


def _by_pyca(said: tuple[int, datetime, str | None, datetime | None]) -> x509.RevokedCertificate:
    serial, at, reason, since = said
    builder = x509.RevokedCertificateBuilder(serial, at.replace(microsecond=0))
    if reason not in (None, "unspecified"):
        builder = builder.add_extension(x509.CRLReason(x509.ReasonFlags(reason)), critical=False)
    if since is not None:
        builder = builder.add_extension(x509.InvalidityDate(since.replace(microsecond=0, tzinfo=None)), critical=False)
    return builder.build()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=some.lists(ENTRIES, max_size=40, unique_by=lambda one: one[0]),
    begin=INSTANTS,
    extensions=EXTENSIONS,
    cut=some.integers(1, 40),
)
def test_a_spliced_list_is_what_pyca_builds(
    tmp_path: Path,
    said: list[tuple[int, datetime, str | None, datetime | None]],
    begin: datetime,
    extensions: list[tuple[x509.ExtensionType, bool]],
    cut: int,
) -> None:
    signer = trial_issuer()
    begin = begin.replace(microsecond=0)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer.issuer.key_identifier)
    extensions = [(identifier, False), *extensions]
    builder = x509.CertificateRevocationListBuilder(revoked_certificates=[_by_pyca(one) for one in said])
    builder = builder.issuer_name(signer.issuer.certificate.subject).last_update(begin).next_update(begin + timedelta(days=3))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    theirs = builder.sign(signer.key, signer.hash).tbs_certlist_bytes
    encoded = [entry(*one) for one in said]
    pieces = [Piece(b"".join(encoded[at : at + cut]), len(encoded[at : at + cut])) for at in range(0, len(encoded), cut)]
    framed = frame(signer.issuer, begin, begin + timedelta(days=3), extensions)
    with crl_drafts.stage(signer.issuer, framed, _Loose(pieces), tmp_path / "x.crl") as stage:
        draft = stage.sign(signer)
        ours = x509.load_der_x509_crl(draft.path.read_bytes())
    assert ours.tbs_certlist_bytes == theirs
    assert draft.entries == len(said)
    assert ours.is_signature_valid(signer.issuer.public_key)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_signs_lists(tmp_path: Path, algorithm: str) -> None:
    signer = trial_issuer(algorithm)
    framed = frame(signer.issuer, NOW, NOW + timedelta(days=3), [(x509.CRLNumber(1), False)])
    content = _list(framed, [Piece(entry(5, NOW, "superseded"), 1)], tmp_path, signer)
    with memoryview(content) as view:
        crl_drafts.verify(view, signer.issuer)
    assert [one.serial_number for one in x509.load_der_x509_crl(content)] == [5]


def test_the_length_of_a_length_may_depend_on_the_signature(tmp_path: Path) -> None:
    signer, lengths = trial_issuer(), set()

    def padded(padding: int) -> bytes:
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.9"), bytes(padding))
        framed = frame(signer.issuer, NOW, NOW + timedelta(days=3), [(unknown, False)])
        return _list(framed, [Piece(entry(5, NOW, "superseded"), 1)], tmp_path, signer)

    fitting = 65_536 - (len(padded(60_000)) - 60_000)
    for padding in 3 * [*range(fitting - 8, fitting + 12)]:
        content = padded(padding)
        with memoryview(content) as view:
            crl_drafts.verify(view, signer.issuer)
        assert len(x509.load_der_x509_crl(content)) == 1
        lengths.add(content[1])
    assert lengths == {0x82, 0x83}


def test_a_list_of_many_pieces_is_whole(tmp_path: Path) -> None:
    signer = trial_issuer()
    framed = frame(signer.issuer, NOW, NOW + timedelta(days=3), [(x509.CRLNumber(1), False)])
    encoded = [entry((1 << 158) + number, NOW, "superseded") for number in range(25_000)]
    pieces = [Piece(b"".join(encoded[at : at + 8_192]), len(encoded[at : at + 8_192])) for at in range(0, len(encoded), 8_192)]
    content = _list(framed, pieces, tmp_path)
    with memoryview(content) as view:
        crl_drafts.verify(view, signer.issuer)
    assert b"".join(encoded) in content
    assert len(x509.load_der_x509_crl(content)) == len(encoded)


@pytest.mark.parametrize("to", [0, 5, 7, 8, 9, 14, 300_000])
def test_octets_move_within_a_file_to_either_side(tmp_path: Path, to: int) -> None:
    octets = random.Random(to).randbytes(1_200_000)  # noqa: S311 (more than two chunks, the same at every run)
    with (tmp_path / "file").open("x+b", buffering=0) as file:
        file.write(b"before.." + octets)
        crl_drafts.move(file.fileno(), (8, 8 + len(octets)), to)
    assert (tmp_path / "file").read_bytes()[to : to + len(octets)] == octets


@pytest.mark.parametrize("piece", [Piece(b"\x30\x00", 1), Piece(entry(1, NOW, None), 2), Piece(entry(1, NOW, None)[:-1], 1)])
def test_an_entry_that_was_spoilt_on_record_is_never_published(tmp_path: Path, piece: Piece) -> None:
    signer = trial_issuer()
    framed = frame(signer.issuer, NOW, NOW, [(x509.CRLNumber(1), False)])
    with pytest.raises(ListFaultError):
        _list(framed, [piece], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", [0, 1, 3, 5, 20, -1, -20, -100])
def test_a_changed_octet_is_seen(tmp_path: Path, at: int) -> None:
    signer = trial_issuer()
    framed = frame(signer.issuer, NOW, NOW + timedelta(days=3), [(x509.CRLNumber(1), False)])
    spoilt = bytearray(_list(framed, [Piece(entry(1, NOW, None), 1)], tmp_path))
    spoilt[at] ^= 1
    with memoryview(spoilt) as view, pytest.raises(ListFaultError):
        crl_drafts.verify(view, signer.issuer)


@pytest.mark.parametrize("octets", [b"", b"\x30", b"\x30\x80", b"\x30\x03\x30\x01\x00", b"\x31\x00", b"\x30\x84\xff\xff\xff\xff"])
def test_what_is_no_list_is_refused(octets: bytes) -> None:
    with memoryview(octets) as view, pytest.raises(ListFaultError):
        crl_drafts.without_entries(view)


def test_a_list_tells_of_itself_without_its_entries(tmp_path: Path) -> None:
    signer = trial_issuer()
    framed = frame(signer.issuer, NOW, NOW + timedelta(days=3), [(x509.CRLNumber(77), False)])
    content = _list(framed, [Piece(entry(5, NOW, "superseded"), 1)], tmp_path)
    with memoryview(content) as view:
        said = crl_drafts.without_entries(view)
    assert (len(said), said.last_update_utc) == (0, NOW)
    assert said.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 77
    assert said.public_bytes(Encoding.DER) != content


def test_names_of_lists() -> None:
    assert [list_name("a"), list_name("a", 7), list_name("a", 7, delta=True), list_name("a", delta=True)] == [
        "a",
        "a.7",
        "a.7.delta",
        "a.delta",
    ]
