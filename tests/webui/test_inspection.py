"""The bar itself is tried: what it must object to, it does."""

import pytest

from tests.support.browser import NARROW, Chromium
from tests.webui.inspection import inspect

PAGE = '<!doctype html><html lang="ja"><meta charset="utf-8"><title>よし</title><main><h1>よし</h1>{}</main></html>'


@pytest.mark.parametrize(
    ("content", "objection"),
    [
        ("<input>", "label: "),
        ('<p style="color: #aaa; background: #fff">薄い</p>', "color-contrast: "),
        ('<p style="width: 2000px">長い</p>', r"is 20\d\d px wide"),
        ("<p>エラー番号 500</p>", "is an error of ours"),
    ],
)
def test_a_page_below_the_bar_is_told(chromium: Chromium, content: str, objection: str) -> None:
    with chromium.visit(viewport=NARROW) as visit:
        visit.page.set_content(PAGE.format(content))
        with pytest.raises(AssertionError, match=objection):
            inspect(visit, "inspection")
        visit.page.set_content(PAGE.format("<label>名前 <input></label>"))
        inspect(visit, "inspection")
