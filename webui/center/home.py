"""The center's first page."""

import flask

from webui import guard

blueprint = flask.Blueprint("home", __name__)


@blueprint.get("/")
@guard.staff()
def menu() -> str:
    """Show what there is to do."""
    return flask.render_template("menu.html")
