"""Addresses in templates are those that Flask makes, for every page of both doors."""

from collections.abc import Iterator
from itertools import product

import flask
import pytest
from werkzeug.routing import BuildError

from tests.webui.conftest import Doors
from webui.page_addresses import PageAddresses

# Plain ones, for which nobody is asked a second time, and others.
WORDS = ("abc-1.~_", "99999W", "a b/c?d&e", "証明書", "100%", "-place-0-", "", "netnaccs", "pem")


def outcome(way: object, endpoint: str, values: dict[str, object]) -> str:
    """Return the address, or how it fails."""
    assert callable(way)
    try:
        return str(way(endpoint, **values))
    except (BuildError, ValueError, TypeError) as error:
        return type(error).__name__


def ways(app: flask.Flask) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield every page with values of many kinds, with one too few and one too many."""
    for rule in app.url_map.iter_rules():
        names = sorted(rule.arguments)
        for value in (*WORDS, 7, None):
            values: dict[str, object] = dict.fromkeys(names, value)
            yield rule.endpoint, values
            yield rule.endpoint, dict(reversed(values.items())) | {"page": 2, "q": "x y"}
            yield rule.endpoint, {"q": "word"} | values | {"state": "open"}
            yield rule.endpoint, values | {"_anchor": "codes"}
            yield rule.endpoint, dict(list(values.items())[1:])


def test_they_are_flasks(doors: Doors) -> None:
    requests = [("", "GET", "ja"), ("", "POST", "en"), ("/below", "GET", "ja")]
    for app, (root, method, language) in product((doors.portal, doors.center), requests):
        ours = PageAddresses(app)
        with app.test_request_context("/", method=method, environ_overrides={"SCRIPT_NAME": root}):
            flask.g.language = language
            for endpoint, values in ways(app):
                for _ in range(2):
                    assert outcome(ours.url_for, endpoint, values) == outcome(flask.url_for, endpoint, values), (endpoint, values)


def test_flask_is_asked_once_for_addresses_of_one_kind(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, asked = PageAddresses(doors.portal), []
    makes = flask.url_for

    def noted(endpoint: str, **values: object) -> str:
        asked.append(endpoint)
        return makes(endpoint, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(flask, "url_for", noted)
    with doors.portal.test_request_context("/"):
        names = [f"{number:05}W" for number in range(50)]
        assert [ours.url_for("doctor.show", terminal=name) for name in names][7] == makes("doctor.show", terminal="00007W")
        assert ours.url_for("bulletin.manual", name="retrieval") == ours.url_for("bulletin.manual", name="retrieval")
    # Addresses of the bulletin depend on the language, too.
    assert asked == ["doctor.show", "bulletin.manual", "bulletin.manual"]
