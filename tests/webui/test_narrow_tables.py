"""A table whose rows became blocks on a narrow screen is a table still to those who listen."""

from pathlib import Path

import pytest
from playwright.sync_api import ViewportSize

from tests.support.browser import Chromium

STYLE = (Path(__file__).parents[2] / "webui" / "static" / "style.css").read_text(encoding="utf-8")
# As `stack` of parts.html makes it.
TABLE = """<table class="stack"><caption>Terminals</caption>
<thead><tr><th scope="col">Name</th>{heads}</tr></thead>
<tbody><tr><th scope="row" data-label="Name">99999W</th>{cells}</tr></tbody></table>"""
HEAD, CELL = '<th scope="col">State</th>', '<td data-label="State">In service</td>'


@pytest.mark.parametrize(
    ("width", "cells", "display"),
    [
        (1280, 1, "table-cell"),
        (320, 1, "flex"),
        # On middle screens only rows of many columns become blocks.
        (800, 4, "table-cell"),
        (800, 5, "flex"),
        (1000, 6, "table-cell"),
        (1000, 7, "flex"),
        (1100, 8, "table-cell"),
    ],
)
def test_its_elements_alone_make_it_one(chromium: Chromium, width: int, cells: int, display: str) -> None:
    table = TABLE.format(heads=HEAD * cells, cells=CELL * cells)
    with chromium.visit(viewport=ViewportSize(width=width, height=720)) as visit:
        page = visit.page
        page.set_content(f'<!DOCTYPE html><html lang="en"><title>Terminals</title><style>{STYLE}</style>{table}')
        assert page.evaluate("getComputedStyle(document.querySelector('td')).display") == display
        tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
        roles = [node["role"]["value"] for node in tree if not node["ignored"]]
    assert [roles.count(role) for role in ("table", "row", "columnheader", "rowheader", "cell")] == [1, 2, cells + 1, 1, cells]
