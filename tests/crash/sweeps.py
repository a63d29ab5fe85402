"""Every window of every way to a certificate: the way is gone again and again, and cut off a step later each time.

A sweep needs no table of steps: it ends when the fault has nothing left to strike. What it finds wrong are sentences.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from ca.authority import Authority
from ca.issuers import SigningIssuer
from enrollment.redemption import Redemption
from kernel.database import connect
from keys.trouble import CustodyAwayError
from tests.crash import faults
from tests.crash.faults import BrokenKey, Fault, Harm, Place
from tests.crash.ledger import Received
from tests.support.house import House, Request, new_request
from tests.support.interfaces import TRY_AGAIN, Doors, Outcome, Told, World, doors_of

# More than any way has of one kind of step.
MOST = 30
# Sends the same request once more; a fault may be waiting for it.
Ask = Callable[[World, Request], Told]


# Returns the redemption of a node.
MakeRedemption = Callable[[House], Redemption]


def products(node: House) -> Redemption:
    """Return the product's."""
    return Redemption(node.database, node.clock, node.authority, node.hasher)


def away() -> None:
    """Be a token that does not answer."""
    raise CustodyAwayError("the token does not answer")


@dataclass(frozen=True)
class Node:
    """The doors of another process of the same house: with connections, a key and a fault of its own."""

    house: House
    doors: Doors
    key: BrokenKey
    fault: Fault

    def calm(self) -> None:
        """Let everything be sound again, on new connections."""
        self.fault.nth = 0
        self.key.before, self.key.after, self.key.spoil = _nothing, _nothing, bytes
        self.house.database.dispose()


def node_of(house: House, make: MakeRedemption = products, kind: type[Authority] = Authority) -> Node:
    """Return another node of a house; `make` may plant a fault in its redemption, `kind` says how far away its key is."""
    key = BrokenKey(house.issuing.key)
    database = connect(house.database.engine.url.render_as_string(hide_password=False))
    node = replace(house, database=database)
    vars(node)["authority"] = kind(SigningIssuer(house.issuing.issuer, key), house.profile)
    vars(node)["redemption"] = make(node)
    doors, fault = doors_of(node), Fault(Place.READ, 0, Harm.REFUSED)
    fault.arm(database)
    return Node(node, doors, key, fault)


@dataclass(frozen=True)
class Window:
    """Where somebody is cut off. `awaited` is what may be told there; it is given when the cut came too late to matter."""

    name: str
    prepare: Callable[[Node], None]
    awaited: tuple[Outcome, ...]


@dataclass
class Sweep:
    """What was seen: certificates that clients have, sentences about what is wrong, and how many windows there were."""

    received: list[Received] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    windows: int = 0


def sweep(
    node: Node, sound: World, newcomer: Callable[[], tuple[str, Ask]], *, places: Sequence[Place] = tuple(Place)
) -> Sweep:  # fmt: skip
    """Go a way into each of its windows; `newcomer` returns a terminal and its way. Whoever was cut off comes again."""
    seen = Sweep()
    harms = (Harm.CUT, Harm.DONE_AND_CUT) if node.house.database.engine.dialect.name == "postgresql" else (Harm.REFUSED,)
    for place in places:
        for harm in (*harms, Harm.DONE_AND_CUT) if place is Place.COMMIT else harms[:1]:
            for window in _of_database(place, harm):
                if not _pass_through(window, node, sound, newcomer, seen):
                    break
    for window in KEYS:
        _pass_through(window, node, sound, newcomer, seen)
    node.calm()
    return seen


def _of_database(place: Place, harm: Harm) -> Iterator[Window]:
    # SQLite's connection, once it is closed, says something that no database says: a fault of ours, for all that we know.
    told = (Outcome.AWAY, Outcome.BROKEN) if harm is Harm.DONE_AND_CUT else (Outcome.AWAY,)
    for number in range(1, MOST):

        def prepare(node: Node, nth: int = number) -> None:
            node.fault.place, node.fault.nth, node.fault.harm = place, nth, harm

        yield Window(f"{place.value}, {number}, {harm.value}", prepare, (Outcome.GIVEN, *told))


def _before(deed: Callable[[], None]) -> Callable[[Node], None]:
    def prepare(node: Node) -> None:
        node.key.before = deed

    return prepare


def _after(deed: Callable[[], None]) -> Callable[[Node], None]:
    def prepare(node: Node) -> None:
        node.key.after = deed

    return prepare


def _lie(node: Node) -> None:
    node.key.spoil = faults.other_signature


KEYS = [
    Window("the token is away", _before(away), (Outcome.AWAY,)),
    Window("the token is away after it signed", _after(away), (Outcome.AWAY,)),
    Window("the device fails", _before(faults.fail), (Outcome.BROKEN,)),
    Window("the device signs wrongly", _lie, (Outcome.BROKEN,)),
]


def _pass_through(window: Window, node: Node, sound: World, newcomer: Callable[[], tuple[str, Ask]], seen: Sweep) -> bool:
    """Cut somebody off, let him come again, and a rival with another key after him; return whether the fault struck."""
    terminal, ask = newcomer()
    request = new_request()
    node.calm()
    window.prepare(node)
    first = ask(node.doors.world, request)
    has_struck = node.fault.nth <= 0
    seen.windows += 1
    again, rival = ask(sound, request), ask(sound, new_request())
    for told, awaited in ((first, window.awaited), (again, (Outcome.GIVEN,)), (rival, (Outcome.REFUSED,))):
        if told.certificate:
            seen.received.append(Received(terminal, int(told is rival), told.certificate))
        if told.outcome not in awaited:
            seen.found.append(f"{window.name}: {terminal} was told: {told.outcome.value}, {told.words}")
        if told.reply.status == TRY_AGAIN and "Retry-After" not in told.reply.headers:
            seen.found.append(f"{window.name}: nothing says when to come again")
    return has_struck


def _nothing() -> None:
    return
