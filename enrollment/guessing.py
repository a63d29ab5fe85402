"""Telling those who know the codes from those who guess, by one answer in words and in work.

Two throttles count wrong tries: one by the access key as typed, whether it exists or not, and one by the source
address. A source that is over its limit still gets one evaluated try for each access key that has no failures, and a
wrong one is told like every other: so an address shared by many (a proxy, an attacker's neighbour) does not lock
out an office that types its codes correctly, and nobody learns which access keys exist.
"""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from enrollment import codes as code_rules
from enrollment.codes import Codes
from enrollment.tables import CodeSetRow
from kernel import audit, throttle
from kernel.database import Database, among, many
from kernel.errors import Refused
from keys.codes import CodeHasher

BY_ACCESS_KEY = throttle.Limit(failures=5, window=timedelta(minutes=30), lock=timedelta(minutes=30))
BY_SOURCE = throttle.Limit(failures=30, window=timedelta(minutes=30), lock=timedelta(minutes=30))

# What the throttle keys of access keys begin with.
ACCESS_KEYS = "codes:"


@dataclass(frozen=True)
class Known:
    """What is known of an access key's code set; for an unknown key, what gives the same work and never a match."""

    code_set_id: str | None = None
    terminal: str = "00000A"
    office_code: str = "AAA000"
    codes_digest: bytes = bytes(32)
    sealed: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Question:
    """What is looked up for a try: the digest of its access key, and the throttle keys of that and of its source."""

    digest: bytes
    by_key: str
    by_source: str
    now: datetime


@dataclass(frozen=True)
class Seen:
    """What was found: how key and source stand, and the set; and whether the codes were right, if somebody looked."""

    by_key: throttle.Standing
    by_source: throttle.Standing
    known: Known
    is_right: bool | None = None

    @property
    def locked_for(self) -> int:
        """The seconds for which a try is not evaluated; 0 when it is."""
        return self.by_key.locked_for or (self.by_source.locked_for if self.by_key.failures else 0)

    def judged(self, proof: "Proof") -> "Seen":
        """Evaluate the try, unless it is locked out or was evaluated."""
        return self if self.locked_for or self.is_right is not None else replace(self, is_right=proof(self.known))


Look = Callable[[Question], Seen]
Proof = Callable[[Known], bool]


_SETS = select(
    CodeSetRow.access_key_digest,
    CodeSetRow.id,
    CodeSetRow.terminal,
    CodeSetRow.office_code,
    CodeSetRow.codes_digest,
    CodeSetRow.sealed,
).where(among(CodeSetRow.access_key_digest))


def authenticate(
    database: Database, hasher: CodeHasher, codes: Codes, source: str, now: datetime, look: Look | None = None
) -> str:  # fmt: skip
    """Return the id of the set whose codes these are; raises Refused("codes-wrong") or Refused("throttled")."""
    digest = code_rules.access_key_digest(hasher, codes.access_key)
    return prove(database, digest, proof_of(hasher, codes), source, now, look)


def proof_of(hasher: CodeHasher, codes: Codes) -> Proof:
    """Return what says whether codes are those of a set."""

    def match(known: Known) -> bool:
        return code_rules.matches(
            hasher, codes, terminal=known.terminal, office_code=known.office_code, digest=known.codes_digest
        )  # fmt: skip

    return match


def look_all(session: Session, questions: Sequence[Question]) -> list[Seen]:
    """Look up many tries; known and unknown access keys cost the same."""
    windows = {question.by_source: BY_SOURCE.window for question in questions}
    windows |= {question.by_key: BY_ACCESS_KEY.window for question in questions}
    stands = throttle.standings(session, windows, max(question.now for question in questions))
    # Columns, no entity: making one would be work that unknown keys do not cost.
    found = session.connection().execute(_SETS, many(question.digest for question in questions))
    known = {row.access_key_digest: Known(row.id, row.terminal, row.office_code, row.codes_digest, row.sealed) for row in found}
    return [
        Seen(stands[question.by_key], stands[question.by_source], known.get(question.digest) or Known()) for question in questions
    ]


def prove(
    database: Database,
    digest: bytes,
    proof: Proof,
    source: str,
    now: datetime,
    look: Look | None = None,
) -> str:
    """Return the id of an access key's set when the proof holds; raises Refused("codes-wrong") or Refused("throttled").

    `proof` is called outside of any transaction, for unknown keys, too, and says whether somebody knows the codes. A
    wrong try is counted, in a transaction of its own, before it is answered.
    """
    question = question_of(digest, source, now)
    by_key, by_source = question.by_key, question.by_source
    seen = (look(question) if look else look_alone(database, question)).judged(proof)
    if seen.locked_for:
        raise Refused("throttled", retry_after=seen.locked_for)
    source_standing, known = seen.by_source, seen.known
    if seen.is_right and known.code_set_id:
        return known.code_set_id
    with database.transaction() as session:
        # Guesses that ran beside the one that locked are told so, as a right one is under T1: its answer must not stand out.
        before = throttle.hold(session, by_key, now)
        standing = throttle.count_failure(session, by_key, BY_ACCESS_KEY, now)
        throttle.count_failure(session, by_source, BY_SOURCE, now)
        if standing.locked_for and not before.locked_for:
            subject = f"terminal:{known.terminal}" if known.code_set_id else "terminal:unknown"
            audit.record(session, now=now, actor=audit.job("throttle"), action="codes.lock", subject=subject, source=source)
    if locked_for := before.locked_for or source_standing.locked_for:
        raise Refused("throttled", retry_after=locked_for)
    raise Refused("codes-wrong")


def question_of(digest: bytes, source: str, now: datetime) -> Question:
    """Return what is looked up for a try by an access key's digest from an address."""
    return Question(digest, access_key_throttle(digest), source_throttle(source), now)


def look_alone(database: Database, question: Question) -> Seen:
    """Look up one try."""
    with database.snapshot() as session:
        return look_all(session, [question])[0]


def require_unlocked(session: Session, hasher: CodeHasher, codes: Codes, now: datetime) -> None:
    """Look at the lock once more under T1: many guesses at once must not outrun their counting."""
    digest = code_rules.access_key_digest(hasher, codes.access_key)
    throttle.require_unlocked(session, access_key_throttle(digest), now, lock_row=True)


def access_key_throttle(digest: bytes) -> str:
    """Return the throttle key of an access key."""
    return f"{ACCESS_KEYS}{digest.hex()}"


def digest_of(access_key_throttle: str) -> bytes:
    """Return the digest from which `access_key_throttle` made a key."""
    return bytes.fromhex(access_key_throttle.removeprefix(ACCESS_KEYS))


def source_throttle(source: str) -> str:
    """Return the throttle key of an address; an IPv6 customer owns a /64, so that is what counts."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return "source:unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return f"source:{ipaddress.IPv6Network((address, 64), strict=False)}"
        address = address.ipv4_mapped
    return f"source:{address}"
