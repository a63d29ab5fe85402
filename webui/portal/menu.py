"""The menu."""

import flask

from webui import guard

blueprint = flask.Blueprint("menu", __name__)


@blueprint.get("/")
@guard.customer()
def show() -> str:
    """Show what there is to do."""
    return flask.render_template("menu.html")
