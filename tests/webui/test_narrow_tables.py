"""A table whose rows became blocks on a narrow screen is a table still to those who listen."""

from pathlib import Path

import pytest
from playwright.sync_api import ViewportSize

from tests.support.browser import Chromium

STYLE = (Path(__file__).parents[2] / "webui" / "static" / "style.css").read_text(encoding="utf-8")
# As `stack` of parts.html makes it.
TABLE = """<table class="stack"><caption>Terminals</caption>
<thead><tr><th scope="col">Name</th><th scope="col">State</th></tr></thead>
<tbody><tr><th scope="row" data-label="Name">99999W</th><td data-label="State">In service</td></tr></tbody></table>"""


@pytest.mark.parametrize(("width", "display"), [(1280, "table-cell"), (320, "flex")])
def test_its_elements_alone_make_it_one(chromium: Chromium, width: int, display: str) -> None:
    with chromium.visit(viewport=ViewportSize(width=width, height=720)) as visit:
        page = visit.page
        page.set_content(f'<!DOCTYPE html><html lang="en"><title>Terminals</title><style>{STYLE}</style>{TABLE}')
        assert page.evaluate("getComputedStyle(document.querySelector('td')).display") == display
        tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
        roles = [node["role"]["value"] for node in tree if not node["ignored"]]
    assert [roles.count(role) for role in ("table", "row", "columnheader", "rowheader", "cell")] == [1, 2, 2, 1, 1]
