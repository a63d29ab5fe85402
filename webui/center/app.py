"""The center's app: what it is made of, and its pages."""

from dataclasses import dataclass
from pathlib import Path

import flask

from webui import entrance, shell
from webui.accounts import Door, Person
from webui.center import home
from webui.doorway import DoorParts, Furnishing, NavigationItem
from webui.texts import mark

NAVIGATION = (
    NavigationItem("home.menu", mark("メニュー")),
    NavigationItem("entrance.password", mark("パスワード変更")),
)


@dataclass(frozen=True)
class CenterParts:
    """What the center's pages need."""

    door: DoorParts


def create_app(parts: CenterParts) -> flask.Flask:
    """Make the center's app."""
    furnishing = Furnishing(
        door=Door.CENTER,
        templates=Path(__file__).parent / "templates",
        home="home.menu",
        navigation=NAVIGATION,
        heading=_heading,
    )
    app = shell.make_app(__name__, parts.door, furnishing, entrance.blueprint, home.blueprint)
    app.extensions["webui-center"] = parts
    return app


def _heading(person: Person) -> tuple[str, ...]:
    del person
    return ()
