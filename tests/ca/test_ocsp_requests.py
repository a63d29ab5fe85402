"""The reader of requests against asn1crypto as the judge: 20,000 mutated requests; a planted fault must be caught."""

import random
from collections.abc import Callable, Iterator

import pytest
from asn1crypto import algos, core, ocsp, x509

from ca import ocsp_requests
from ca.ocsp_requests import LARGEST_REQUEST, MOST_CERTIFICATES, Asked, Malformed, read
from tests.ca.ocsp_requests import cert_id, nonce, request
from tests.ca.trial import trial_issuer

INPUTS = 20_000
Read = Callable[[bytes], Asked]


class Difference(AssertionError):
    """The reader said something else than the judge, or raised what it must not."""


def seeds() -> list[bytes]:
    """Return requests of every form that is taken."""
    issuer = trial_issuer().issuer
    one, other = cert_id(issuer, "1234567890abcdef"), cert_id(issuer, "f" * 40, "sha256")
    bare = cert_id(issuer, "80")
    bare["hash_algorithm"] = algos.DigestAlgorithm({"algorithm": "sha256"})
    extension: dict[str, object] = {"extn_id": "1.2.3.4", "critical": False, "extn_value": core.ParsableOctetString(b"\x05\x00")}
    signed = ocsp.OCSPRequest.load(request(one))
    signed["optional_signature"] = {"signature_algorithm": {"algorithm": "sha256_ecdsa"}, "signature": b"1234"}
    named = ocsp.OCSPRequest.load(request(one))
    named["tbs_request"]["requestor_name"] = x509.GeneralName("dns_name", "example.jp")
    return [
        request(one),
        request(one, other, bare),
        request(one, extensions=[nonce(b"0123456789abcdef")]),
        request(bare, extensions=[extension, nonce(b"1")]),
        request(*[cert_id(issuer, f"{number:x}") for number in range(1, 20)], extensions=[nonce(bytes(128))]),
        signed.dump(force=True),
        named.dump(force=True),
    ]


def mutated(chance: random.Random, whole: bytes) -> bytes:
    """Return octets changed, cut, doubled, exchanged or inserted."""
    octets = bytearray(whole)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(octets) + 1)
        match chance.randrange(7):
            case 0 if octets:
                octets[at % len(octets)] ^= 1 << chance.randrange(8)
            case 1 if octets:
                octets[at % len(octets)] = chance.choice((0, 1, 2, 4, 5, 6, 0x30, 0x7F, 0x80, 0x81, 0x82, 0xA0, 0xA2, 0xFF))
            case 2:
                del octets[at : at + chance.randrange(1, 9)]
            case 3:
                octets[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 4:
                octets[at:at] = octets[at : at + chance.randrange(1, 60)]
            case 5:
                del octets[at:]
            case _ if octets:
                octets[at % len(octets)] = (octets[at % len(octets)] + chance.choice((-1, 1))) % 256
    return bytes(octets)


def judge(content: bytes, reading: Read) -> bool:
    """Return whether a request is taken; raises Difference."""
    try:
        asked = reading(content)
    except Malformed:
        return False
    except Exception as error:
        raise Difference(f"{type(error).__name__} for {content.hex()}") from error
    try:
        told = _as_the_judge_reads(content)
    except (ValueError, TypeError, KeyError) as error:
        raise Difference(f"taken, though {error}: {content.hex()}") from error
    if told != asked:
        raise Difference(f"{asked} instead of {told}: {content.hex()}")
    return True


def _as_the_judge_reads(content: bytes) -> Asked:
    tbs = ocsp.OCSPRequest.load(content, strict=True)["tbs_request"]
    ids = [entry["req_cert"] for entry in tbs["request_list"]]
    read_ids = tuple(
        ocsp_requests.CertId(
            one.dump(),
            name if (name := one["hash_algorithm"]["algorithm"].native) in {"sha1", "sha256"} else None,
            one["issuer_name_hash"].native,
            one["issuer_key_hash"].native,
            one["serial_number"].native,
        )
        for one in ids
    )
    given = [extension for extension in tbs["request_extensions"] or () if extension["extn_id"].native == "nonce"]
    octets = core.OctetString.load(bytes(given[0]["extn_value"]), strict=True).native if given else None
    return Asked(read_ids, octets)


def inputs(count: int) -> Iterator[bytes]:
    """Yield mutated requests, the same at every run."""
    chance = random.Random(20261122)  # noqa: S311 (test material)
    whole = seeds()
    for _ in range(count):
        yield mutated(chance, chance.choice(whole))


def _with_octets_after_the_end(content: bytes) -> Asked:
    """Pass over what stands after the request: a planted fault."""
    try:
        return read(content)
    except Malformed:
        return read(content[:-1])


def _with_an_index_too_far(content: bytes) -> Asked:
    """Believe a length: a planted fault."""
    _ = content[content[1] + 1]
    return read(content)


def _with_another_serial(content: bytes) -> Asked:
    """Read one serial number in a thousand wrongly: a planted fault."""
    asked = read(content)
    first = asked.cert_ids[0]
    if first.serial % 1_000 == 1:
        return asked._replace(cert_ids=(first._replace(serial=first.serial + 1), *asked.cert_ids[1:]))
    return asked


@pytest.mark.parametrize("planted", [_with_octets_after_the_end, _with_an_index_too_far, _with_another_serial])
def test_the_harness_catches_planted_faults(planted: Read) -> None:
    with pytest.raises(Difference):
        for content in inputs(INPUTS):
            judge(content, planted)


def test_mutated_requests_are_read_as_the_judge_reads_them_or_refused() -> None:
    taken = sum(judge(content, read) for content in inputs(INPUTS))
    assert 500 < taken < INPUTS / 2


@pytest.mark.parametrize("whole", seeds(), ids=lambda whole: f"{len(whole)} octets")
def test_every_form_of_a_request_is_taken_and_no_beginning_of_it(whole: bytes) -> None:
    assert judge(whole, read)
    assert not any(judge(whole[:length], read) for length in range(len(whole)))
    assert not judge(whole + b"\x00", read)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"\x02\x02\x00\x80", b"\x02\x03\x00\x00\x80"),  # an integer with an octet too many
        (b"\x30\x0d\x06\x09", b"\x30\x81\x0d\x06\x09"),  # a length that could be shorter
    ],
)
def test_what_is_no_der_is_malformed(before: bytes, after: bytes) -> None:
    whole = request(cert_id(trial_issuer().issuer, "80", "sha256"))
    assert before in whole
    with pytest.raises(Malformed):
        read(whole.replace(before, after))


def test_sizes_have_limits() -> None:
    issuer = trial_issuer().issuer
    many = [cert_id(issuer, f"{number:x}") for number in range(1, MOST_CERTIFICATES + 1)]
    assert len(read(request(*many)).cert_ids) == MOST_CERTIFICATES
    for content in (request(*many, many[0]), request(), bytes(LARGEST_REQUEST + 1)):
        with pytest.raises(Malformed):
            read(content)


def test_two_nonces_are_malformed() -> None:
    asked = cert_id(trial_issuer().issuer, "77")
    with pytest.raises(Malformed):
        read(request(asked, extensions=[nonce(b"1"), nonce(b"2")]))
