"""Addresses of pages as templates write them: a page has some fifty, and Flask works each out anew, for 15 µs and more.

What an address looks like depends on the endpoint and on the names of its values alone, so Flask is asked for that once. Whatever
is not as plain as that, Flask does as ever.
"""

import re

import flask
from werkzeug.routing import BuildError

# Stands in an address as it is, in its path as in its query.
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)


class PageAddresses:
    """The addresses of an app's pages; `url_for` is what Flask's own is, within requests."""

    def __init__(self, app: flask.Flask) -> None:
        self._app = app
        # By endpoint and names of values; none where Flask has to be asked each time.
        self._shapes: dict[tuple[str, ...], str | None] = {}

    def url_for(self, endpoint: str, **values: object) -> str:
        """Return an address of this app, as `flask.url_for` does."""
        key = (endpoint, *values)
        if not flask.request.root_path:
            if key not in self._shapes:
                self._shapes[key] = self._shape(endpoint, tuple(values))
            shape = self._shapes[key]
            if shape is not None and all(map(_is_plain, values.values())):
                return shape % values
        return flask.url_for(endpoint, **values)  # type: ignore[arg-type]

    def _shape(self, endpoint: str, names: tuple[str, ...]) -> str | None:
        """Return an address with `%(name)s` in the places of its values, if there is one for all values."""
        rules = [rule for rule in self._app.url_map.iter_rules() if rule.endpoint == endpoint]
        # Whether an address is one or the other may depend on a value, or on the request's method.
        has_choice = len({frozenset(rule.methods or ()) for rule in rules}) != 1 or any(
            isinstance(default, str) for rule in rules for default in (rule.defaults or {}).values()
        )
        has_defaults = {None, endpoint.rpartition(".")[0]} & set(self._app.url_default_functions)
        if has_choice or has_defaults or any(name.startswith("_") for name in names):
            return None
        marks = {name: f"-place-{number}-" for number, name in enumerate(names)}
        try:
            shape = flask.url_for(endpoint, **marks).replace("%", "%%")  # type: ignore[arg-type]
        except (BuildError, ValueError):
            return None
        for name, mark in marks.items():
            shape = shape.replace(mark, f"%({name})s")
        return shape


def _is_plain(value: object) -> bool:
    return isinstance(value, str) and _PLAIN.fullmatch(value) is not None
