"""pkilint reads thousands of terminal certificates, drafted and signed as the doors do, under authorities of every algorithm."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import combinations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from ca.authority import Authority
from ca.profiles import Addresses, Subject, TerminalProfile
from ca.requests import RequestedKey, spki_digest
from ca.signing import certify
from kernel.clock import tokyo_date
from kernel.errors import Refused
from keys.algorithms import ALGORITHMS
from tests.ca.trial import PROFILE, SUBJECT, TODAY, trial_issuer
from tests.interop.pkilint_rules import in_certificates

EACH = 350  # certificates under each algorithm
KINDS = ("p256", "p384", "rsa2048", "rsa3072", "rsa4096", "ed25519")
# Of an RSA modulus only its primes are slow to make: each two of them make another one.
PAIRS_OF_PRIMES = 3
COMPANIES = (
    "NAC Trading Co., Ltd.", "ナックス商事株式会社", "日本通関情報処理センター", "ﾅｯｸｽ商事(株)", "𠮷野家通商", "A", "A" * 64,
    "あ" * 64, "O'Neill & Söhne", "x.y/z+(1):2-3", '"Quoted", #1=a;b', "Ａ～Ｚ　全角", "株式会社\u3000間", "e\u0301 combined",
    "№ 1 ①㈱", "\\,+<>",
)  # fmt: skip
FIRST, LAST = datetime(2026, 11, 24, tzinfo=UTC), datetime(2058, 1, 1, tzinfo=UTC)
BORDERS = [datetime(2028, 2, 29, 3, tzinfo=UTC), datetime(2048, 12, 31, 14, 59, 59, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)]
REFUSALS = {"start-date-too-far", "key-too-short-for-period"}


@cache
def _moduli(bits: int) -> tuple[rsa.RSAPublicKey, ...]:
    keys = [rsa.generate_private_key(65537, bits).private_numbers() for _ in range(PAIRS_OF_PRIMES)]
    primes = [prime for key in keys for prime in (key.p, key.q)]
    return tuple(rsa.RSAPublicNumbers(65537, p * q).public_key() for p, q in combinations(primes, 2))


def _key(chance: random.Random, kind: str) -> RequestedKey:
    if kind.startswith("rsa"):
        key = chance.choice(_moduli(int(kind.removeprefix("rsa"))))
        return RequestedKey(key, spki_digest(key))
    private = ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ALGORITHMS[kind].generate()
    assert isinstance(private, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey)
    return RequestedKey(private.public_key(), spki_digest(private.public_key()))


def _profile(chance: random.Random) -> TerminalProfile:
    """Return one of the profiles that a file may describe, with every kind of authority and key."""
    elliptic = chance.random() < 0.3
    return TerminalProfile(
        policy_oid=f"1.3.6.1.4.1.32473.{chance.choice([0, 1, 127, 128, 16_384, 2**31])}.{chance.randint(0, 99)}",
        san_prefix=chance.choice(["tag:example.jp,2026:terminal:", "tag:nac.example.jp,2026-11:t:", "tag:a.jp,2030-01-01:x/~:"]),
        addresses=Addresses(f"http://status{chance.choice(['', '-1', '.east'])}.example.jp{chance.choice(['', ':8080'])}"),
        fixed_end=chance.choice([None, None, date(2049, 12, 31), date(2050, 1, 1), date(2059, 3, 31)]),
        backdating=timedelta(minutes=chance.randint(0, 60)),
        usages=("digital_signature", *chance.choice([(), (), ("content_commitment",), ("key_agreement",) if elliptic else ()])),
        purposes=("1.3.6.1.5.5.7.3.2", *chance.choice([(), (), ("1.3.6.1.5.5.7.3.4",), ("1.3.6.1.4.1.311.20.2.2",)])),
        issuer_algorithms=tuple(ALGORITHMS),
        subject_keys=("p256", "p384") if elliptic else ("p256", "p384", "rsa", "ed25519"),
        partition_size=chance.choice([0, 10_000]),
        delta=chance.random() < 0.5,
    )


@dataclass(frozen=True)
class _Trade:
    """Authorities of one algorithm, by some profiles each."""

    chance: random.Random
    authorities: list[Authority]

    def certificate(self) -> tuple[bytes, tuple[str, str]] | None:
        """Issue one and return it with what is special about it; None when what was asked for had to be refused."""
        chance, authority = self.chance, self.chance.choice(self.authorities)
        kind = chance.choice([kind for kind in KINDS if kind[:3] in {known[:3] for known in authority.profile.subject_keys}])
        now = chance.choice([FIRST + chance.random() * (LAST - FIRST), FIRST + chance.random() * timedelta(days=900), *BORDERS])
        company = chance.choice(COMPANIES)
        subject = Subject(f"{chance.randint(0, 99_999):05}{chance.choice('ABWXYZ')}", f"NAC{chance.randint(0, 999):03}", company)
        partition = chance.randint(1, 10**6) if authority.profile.partition_size else 0
        start = tokyo_date(now) + timedelta(days=chance.randint(-30, 300))
        try:
            draft = authority.draft(_key(chance, kind), subject, start, now, partition=partition)
        except Refused as refused:
            assert refused.code in REFUSALS  # noqa: PT017 (some are refused, and not all)
            return None
        return certify(draft.tbs, authority.signer), (kind, company)


def _trade(algorithm: str) -> _Trade:
    chance = random.Random(f"certificates under {algorithm}")  # noqa: S311 (test material, the same at every run)
    return _Trade(chance, [Authority(trial_issuer(algorithm), _profile(chance)) for _ in range(24)])


def _issued(algorithm: str) -> Iterator[tuple[bytes, tuple[str, str]]]:
    trade, count = _trade(algorithm), 0
    while count < EACH:
        issued = trade.certificate()
        if issued is not None:
            count += 1
            yield issued


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_hundreds_of_certificates_under_each_algorithm_are_without_finding(algorithm: str) -> None:
    kinds, companies, ders = set(), set(), set()
    for der, (kind, company) in _issued(algorithm):
        ders.add(der)
        kinds.add(kind)
        companies.add(company)
    assert in_certificates(ders) == set()
    assert len(ders) == EACH
    assert kinds == set(KINDS)
    assert companies == set(COMPANIES)


def _with(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda tbs: tbs.replace(old, new)


DEFECTS = {
    "a URI without scheme": _with(b"tag:example.jp,2026", b"tag/example.jp,2026"),
    "a key usage that allows nothing": _with(bytes.fromhex("0404030207") + b"\x80", bytes.fromhex("0404030207") + b"\x00"),
    "a character that a PrintableString may not have": _with(b"\x13\x02JP", b"\x13\x02J@"),
    "an extension twice": _with(bytes.fromhex("0603551d20"), bytes.fromhex("0603551d25")),
    "a time without seconds": _with(b"261124005000Z", b"2611240050-00"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_is_found(defect: str) -> None:
    authority = Authority(trial_issuer(), PROFILE)
    key = _key(random.Random(0), "p256")  # noqa: S311 (test material)
    draft = authority.draft(key, SUBJECT, TODAY, datetime(2026, 11, 24, 1, tzinfo=UTC))
    spoilt = DEFECTS[defect](draft.tbs)
    assert spoilt != draft.tbs
    assert in_certificates([certify(draft.tbs, authority.signer)]) == set()
    assert in_certificates([certify(spoilt, authority.signer)]) != set()
