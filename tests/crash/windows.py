"""The windows of a redemption: every place at which it can be cut off, and how to cut there."""

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from ca.authority import Authority
from ca.issuers import SigningIssuer
from enrollment.codes import Codes
from enrollment.redemption import Asked, Redemption, Retrieved
from kernel.database import Database, connect
from tests.crash import faults
from tests.crash.faults import BrokenKey, Fault, Harm, Place
from tests.support.house import SOURCE, House, Request
from tests.support.statements import sharing_statements

# What a redemption is, in the tests' eyes: the product's, or one with a planted bug.
Redeem = Callable[[Codes, bytes, str], Retrieved]
MakeRedeem = Callable[[House, Database, Authority], Redeem]


class Stands(StrEnum):
    """What the database holds after the cut."""

    NOTHING = "prepared"
    CLAIM = "claimed"
    CERTIFICATE = "redeemed"


@dataclass(frozen=True)
class Window:
    """One row of the table: where a redemption is cut off, and what must stand afterwards.

    The cut is a fault of the database or a spoiled key. With `answers` the first call itself has to come through.
    """

    name: str
    stands: Stands
    fault: Fault | None = None
    spoil: Callable[[BrokenKey], None] | None = None
    answers: bool = False

    @property
    def kills(self) -> bool:
        """Whether the process dies in it."""
        return self.name.endswith("dies")


def before(deed: Callable[[], None]) -> Callable[[BrokenKey], None]:
    """Let a key do a deed before it signs."""

    def spoil(key: BrokenKey) -> None:
        key.before = deed

    return spoil


def after(deed: Callable[[], None]) -> Callable[[BrokenKey], None]:
    """Let a key do a deed after it signed."""

    def spoil(key: BrokenKey) -> None:
        key.after = deed

    return spoil


def lie(key: BrokenKey) -> None:
    """Let a key give another signature."""
    key.spoil = faults.other_signature


def _in_database(name: str, stands: Stands, place: Place, nth: int, harms: tuple[Harm, ...]) -> list[Window]:
    return [
        Window(f"{name}, {harm.value}", stands, Fault(place, nth, harm), answers=(place, nth, harm) == _T2_UNKNOWN)
        for harm in harms
    ]


_NOT_DONE = (Harm.REFUSED, Harm.CUT, Harm.KILLED)
_DONE = (Harm.DONE_AND_CUT, Harm.DONE_AND_KILLED)
_T2_UNKNOWN = (Place.COMMIT, 2, Harm.DONE_AND_CUT)

# A redemption reads once, commits T1, signs, commits T2, and answers with what it stored.
WINDOWS = [
    *_in_database("while codes and state are looked up", Stands.NOTHING, Place.READ, 1, _NOT_DONE),
    *_in_database("before T1", Stands.NOTHING, Place.WRITE, 1, _NOT_DONE),
    *_in_database("T1 is not committed", Stands.NOTHING, Place.COMMIT, 1, _NOT_DONE),
    *_in_database("T1 is committed", Stands.CLAIM, Place.COMMIT, 1, _DONE),
    Window("after T1, before signing, the process dies", Stands.CLAIM, spoil=before(faults.die)),
    Window("signing fails", Stands.CLAIM, spoil=before(faults.fail)),
    Window("the device signs wrongly", Stands.CLAIM, spoil=lie),
    Window("signed, then the device is gone", Stands.CLAIM, spoil=after(faults.fail)),
    Window("signed, not checked, the process dies", Stands.CLAIM, spoil=after(faults.die)),
    *_in_database("signed, before T2", Stands.CLAIM, Place.WRITE, 2, _NOT_DONE),
    *_in_database("T2 is not committed", Stands.CLAIM, Place.COMMIT, 2, _NOT_DONE),
    *_in_database("T2 is committed", Stands.CERTIFICATE, Place.COMMIT, 2, _DONE),
]


def products(house: House, database: Database, authority: Authority) -> Redeem:
    """Return the product's redemption."""
    return Redemption(database, house.clock, authority, house.hasher).redeem


def products_at_hand(house: House, database: Database, authority: Authority) -> Redeem:
    """Return the product's redemption, whose rounds sign by themselves."""
    return products(house, database, faults.AuthorityAtHand(authority.signer, authority.profile))


class Left(Exception):
    """The lane leaves somebody to the app."""


def in_a_lane(house: House, database: Database, authority: Authority) -> Redeem:
    """Return what the retrieval door's lane does: many at once, here one."""
    redemption = Redemption(database, house.clock, faults.AuthorityAtHand(authority.signer, authority.profile), house.hasher)

    def redeem(codes: Codes, request: bytes, source: str) -> Retrieved:
        [found] = redemption.redeem_usual([Asked(codes, request, source)])
        if found is None:
            raise Left
        return found

    return redeem


def cut_off(house: House, window: Window, make: MakeRedeem, codes: Codes, request: Request) -> Retrieved | None:
    """Redeem into a window and return what the client got, if anything; a window that kills does so to a child."""
    if window.kills:
        child = multiprocessing.get_context("fork").Process(target=_redeem, args=(house, window, make, codes, request))
        child.start()
        child.join(60)
        assert child.exitcode == -9, f"the child was to be killed in the window, but ended with {child.exitcode}"
        return None
    try:
        return _redeem(house, window, make, codes, request)
    except Exception:  # noqa: BLE001 (whatever it is, the client got no certificate)
        return None


def _redeem(house: House, window: Window, make: MakeRedeem, codes: Codes, request: Request) -> Retrieved:
    """Redeem as a process of its own would: with its own connections and its own key."""
    database = sharing_statements(connect(house.database.engine.url.render_as_string(hide_password=False)))
    key = BrokenKey(house.issuing.key)
    if window.spoil:
        window.spoil(key)
    if window.fault:
        replace(window.fault).arm(database)
    authority = Authority(SigningIssuer(house.issuing.issuer, key), house.profile)
    try:
        return make(house, database, authority)(codes, request.pem, SOURCE)
    finally:
        database.dispose()
