"""What an app of either door is made of, and where its views find it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import flask

from enrollment.letters import PLAIN
from kernel.clock import Clock
from kernel.database import Database
from registry.letters import Letters
from webui.accounts import Accounts, Door, Person, Right, Role
from webui.assets import Asset
from webui.factors import Factors, LogIns, Passkeys
from webui.refusals import Sentence
from webui.sessions import Limits, Sessions
from webui.texts import gettext, mark


@dataclass(frozen=True)
class DoorSettings:
    """What an operator may choose about a door's pages.

    `package_url` is where the network's own software for terminals and its manuals are had; empty: no page speaks of it.
    """

    public_url: str
    service_name: str = mark("利用者認証センター サポートシステム")
    help_desk: str = "0120-000-000"
    package_url: str = ""
    package_name: str = mark("パッケージソフトと初期導入手順書")

    @property
    def service_label(self) -> str:
        """Return the service's name in the reader's language; what an operator chose is the same in both, and no markup."""
        return gettext(self.service_name)

    @property
    def package_label(self) -> str:
        """Return what the link to the package software is called in the reader's language."""
        return gettext(self.package_name)


@dataclass(frozen=True)
class DoorParts:
    """What both doors need; `letters` says who writes the mails that the doors' own pages cause."""

    database: Database
    clock: Clock
    accounts: Accounts
    settings: DoorSettings
    factors: Factors
    passkeys: Passkeys
    log_ins: LogIns
    limits: Limits = field(default_factory=Limits)
    letters: Letters = PLAIN


@dataclass(frozen=True)
class NavigationItem:
    """One entry of the bar on top; shown to whoever holds one of `grants`, to everyone when there are none."""

    endpoint: str
    label: str
    grants: frozenset[Right | Role] = frozenset()

    def is_for(self, person: Person) -> bool:
        """Tell whether a person gets this entry."""
        return not self.grants or any(person.may(grant) for grant in self.grants)


@dataclass(frozen=True)
class Furnishing:
    """What differs between the doors. `heading` gives the lines that the header shows of a person, asked once at log-in."""

    door: Door
    templates: Path
    home: str
    navigation: tuple[NavigationItem, ...]
    heading: Callable[[Person], tuple[str, ...]]
    sentences: Mapping[str, Sentence] = field(default_factory=dict)


@dataclass(frozen=True)
class Doorway:
    """One running app's surroundings."""

    parts: DoorParts
    furnishing: Furnishing
    sessions: Sessions
    assets: Mapping[str, Asset]


def doorway() -> Doorway:
    """Return the surroundings of the present request."""
    found: Doorway = flask.current_app.extensions["webui"]
    return found
