"""What the checker reads of a list is what the list says."""

from datetime import UTC, timedelta
from pathlib import Path

from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as some

from ca.crl_blocks import Piece
from ca.crl_encoding import entry, frame
from ca.published_status import ListedEntries, PublishedLists
from tests.ca.test_crl_encoding import _list
from tests.ca.trial import NOW, trial_issuer

SERIALS = some.integers(1, (1 << 159) - 1)
SAID = some.dictionaries(
    SERIALS, some.tuples(some.integers(0, 10**6), some.sampled_from([None, "superseded", "keyCompromise"])), max_size=60
)


def list_of(said: dict[int, tuple[int, str | None]]) -> x509.CertificateRevocationList:
    signer = trial_issuer()
    entries = []
    for serial, (seconds, reason) in said.items():
        builder = x509.RevokedCertificateBuilder(serial, NOW + timedelta(seconds=seconds))
        if reason is not None:
            builder = builder.add_extension(x509.CRLReason(x509.ReasonFlags(reason)), critical=False)
        entries.append(builder.build())
    whole = x509.CertificateRevocationListBuilder(revoked_certificates=entries).last_update(NOW)
    whole = whole.issuer_name(signer.issuer.certificate.subject).next_update(NOW + timedelta(days=3))
    return whole.sign(signer.key, signer.hash)


@settings(max_examples=60, deadline=None)
@given(said=SAID, others=some.lists(SERIALS, max_size=10))
def test_each_entry_is_found_by_its_serial_number_and_nothing_else(
    said: dict[int, tuple[int, str | None]], others: list[int]
) -> None:
    entries = ListedEntries(list_of(said))
    assert list(entries) == sorted(said)
    for serial, (seconds, reason) in said.items():
        assert entries.get(serial) == ((NOW + timedelta(seconds=seconds)).astimezone(UTC), reason)
    assert [other for other in {0, (1 << 160) - 1, *others} if other not in said and entries.get(other) is not None] == []


def test_a_list_that_names_what_is_no_serial_number_can_not_be_read(tmp_path: Path) -> None:
    signer = trial_issuer()
    framed = frame(signer.issuer, NOW, NOW + timedelta(days=3), [(x509.CRLNumber(1), False)])
    spoilt = _list(framed, [Piece(entry(1 << 170, NOW, None), 1)], tmp_path)
    (tmp_path / f"{signer.issuer.name}.crl").write_bytes(spoilt)
    assert list(PublishedLists(tmp_path, NOW).serials(signer.issuer)) == []
