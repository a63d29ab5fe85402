"""What the bulletin's pages are made of, and where its views find it."""

from dataclasses import dataclass

import flask

from webui.bulletin.roots import Root


@dataclass(frozen=True)
class BulletinParts:
    """What the pages tell of the house: its roots, and the door where terminals fetch their certificates."""

    roots: tuple[Root, ...]
    retrieval_url: str


def equip(app: flask.Flask, parts: BulletinParts) -> None:
    """Give an app that serves the bulletin its parts."""
    app.extensions["webui-bulletin"] = parts


def bulletin_parts() -> BulletinParts:
    """Return the parts of the running app."""
    found: BulletinParts = flask.current_app.extensions["webui-bulletin"]
    return found
