"""The portal's app: what it is made of, and its pages."""

from dataclasses import dataclass
from pathlib import Path

import flask

from webui import entrance, shell
from webui.accounts import Door, Person
from webui.doorway import DoorParts, Furnishing, NavigationItem
from webui.portal import menu
from webui.texts import mark

NAVIGATION = (
    NavigationItem("menu.show", mark("メニュー")),
    NavigationItem("entrance.password", mark("パスワード変更")),
)


@dataclass(frozen=True)
class PortalParts:
    """What the portal's pages need."""

    door: DoorParts


def create_app(parts: PortalParts) -> flask.Flask:
    """Make the portal's app."""
    furnishing = Furnishing(
        door=Door.PORTAL,
        templates=Path(__file__).parent / "templates",
        home="menu.show",
        navigation=NAVIGATION,
        heading=_heading,
    )
    app = shell.make_app(__name__, parts.door, furnishing, entrance.blueprint, menu.blueprint)
    app.extensions["webui-portal"] = parts
    return app


def _heading(person: Person) -> tuple[str, ...]:
    return (person.office_code,)
