"""Holding a page in a real browser against the bar that all pages meet."""

from axe_playwright_python.sync_playwright import Axe

from tests.support.browser import Visit

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# What is fine is neither gathered in the page nor carried here: that is most of what axe has to say.
OPTIONS = {"runOnly": TAGS, "resultTypes": ["violations"]}
VIOLATIONS = "options => axe.run(options).then(found => found.violations)"


def inspect(visit: Visit, name: str) -> None:
    """Keep the page's picture; fail when it breaks a rule of accessibility, scrolls sideways, or is an error of ours."""
    page = visit.page
    visit.screenshot(name)
    assert "エラー番号 500" not in page.locator("main").inner_text(), f"{name} is an error of ours"
    page.evaluate(Axe().axe_script)
    violations = page.evaluate(VIOLATIONS, OPTIONS)
    found = [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in violations]
    assert not found, f"{name}: {'; '.join(found)}"
    width, room = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width <= room, f"{name} is {width} px wide"
