import pytest
from werkzeug.routing import BuildError, Map, MapAdapter, Rule

from webui.routes import UnhurriedRule


def _addresses(kind: type[Rule]) -> MapAdapter:
    rules = [
        kind("/", endpoint="menu"),
        kind("/lists/<path:name>", endpoint="list"),
        kind("/pages/<int:number>", endpoint="page", methods=["POST"]),
        kind("/notices/", endpoint="notices", defaults={"language": "ja"}),
        kind("/en/notices/", endpoint="notices", defaults={"language": "en"}),
    ]
    return Map(rules).bind("localhost", "/")


@pytest.mark.parametrize(
    ("endpoint", "values", "method"),
    [
        ("menu", {}, None),
        ("menu", {"kept": "a&b", "page": 2}, None),
        ("list", {"name": "一/二 三"}, None),
        ("page", {"number": 7}, "POST"),
        ("notices", {"language": "en", "q": ["x", "y"]}, None),
        ("notices", {"language": "ja"}, None),
    ],
)
def test_addresses_are_werkzeugs_own(endpoint: str, values: dict[str, object], method: str | None) -> None:
    ours, theirs = (_addresses(kind).build(endpoint, values, method) for kind in (UnhurriedRule, Rule))
    assert ours == theirs


def test_what_has_no_address_is_told() -> None:
    with pytest.raises(BuildError):
        _addresses(UnhurriedRule).build("page", {"name": "x"}, "POST")


def test_routes_lead_where_werkzeugs_own_lead() -> None:
    for path, method in (("/", "GET"), ("/lists/a/b", "GET"), ("/pages/12", "POST"), ("/en/notices/", "GET")):
        assert _addresses(UnhurriedRule).match(path, method) == _addresses(Rule).match(path, method)
