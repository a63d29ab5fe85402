"""A real browser: Debian's Chromium, driven by Playwright, trusting exactly the roots that a test gives it.

A demo's root goes into an NSS store in a home folder of the browser's own, as an operator would import it, so that names,
purposes and chains of our server certificates are judged by the browser and nothing is waved through.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    BrowserType,
    ConsoleMessage,
    Error,
    Page,
    Playwright,
    Response,
    ViewportSize,
    sync_playwright,
)

ARGUMENTS = [
    "--no-sandbox",  # the suite may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
BROWSERS = 2
# Milliseconds that a page may take on a busy machine, whatever it does.
PATIENCE = 60_000
NOTHING_DRAWN = "Unable to capture screenshot"
DESKTOP = ViewportSize(width=1280, height=900)
# A phone's; also a desktop page at 400 % (WCAG 2.2, 1.4.10).
NARROW = ViewportSize(width=320, height=720)
PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)


class ChromiumUnavailable(Exception):
    """No browser here; the message says what is missing."""


@dataclass(frozen=True)
class Programs:
    """The browser, and NSS's tool that gives it a root to trust."""

    chromium: str
    certutil: str


def chromium_installed() -> Programs:
    """Return where the programs are; raise ChromiumUnavailable with the name of Debian's package."""
    found = Programs(shutil.which("chromium") or "", shutil.which("certutil") or "")
    if not found.chromium:
        message = "Chromium (Debian's package: chromium)"
        raise ChromiumUnavailable(message)
    if not found.certutil:
        message = "certutil (Debian's package: libnss3-tools)"
        raise ChromiumUnavailable(message)
    return found


@dataclass
class Visit:
    """One visitor: a page, and what the browser complained about since the start (console errors, failed scripts)."""

    page: Page
    screenshots: Path
    complaints: list[str] = field(default_factory=list)
    _refused: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Listen before the first page is loaded."""
        self.page.on("response", self._note_response)
        self.page.on("console", self._note_console)
        self.page.on("pageerror", self._note_error)

    def screenshot(self, name: str) -> Path:
        """Keep a picture of the whole page as `tests/screenshots/<name>.png`, for a person to look at."""
        self.screenshots.mkdir(exist_ok=True)
        file = self.screenshots / f"{name}.png"
        self.page.wait_for_load_state()  # a click waits for the new page's beginning only
        for pause in (0.2, 1, 5):
            try:
                self.page.screenshot(path=file, full_page=True)
            except Error as error:
                # On a machine busy enough the browser has drawn nothing yet that it could hand over.
                if NOTHING_DRAWN not in error.message:
                    raise
                time.sleep(pause)
            else:
                return file
        self.page.screenshot(path=file, full_page=True)
        return file

    def _note_response(self, response: Response) -> None:
        # A page that says no with a status of 4xx is a page; a missing picture or script is a fault.
        if response.request.is_navigation_request() and response.status >= 400:
            self._refused.add(response.url)

    def _note_console(self, message: ConsoleMessage) -> None:
        of_page = message.text.startswith("Failed to load resource") and message.location["url"] in self._refused
        if message.type == "error" and not of_page:
            self.complaints.append(f"{message.text} ({message.location['url']})")

    def _note_error(self, error: Error) -> None:
        self.complaints.append(str(error))


@dataclass(frozen=True)
class Profile:
    """A profile on disk: what one browser stored there, the next one finds."""

    home: Path
    screenshots: Path
    chromium: BrowserType
    program: str

    @contextmanager
    def visit(self) -> Iterator[Visit]:
        """Open the profile with a browser of its own; no complaint fails it, for here browsers are killed."""
        context = self.chromium.launch_persistent_context(
            self.home / "profile",
            executable_path=self.program,
            args=ARGUMENTS,
            env=_environment(self.home),
            locale="ja-JP",
            timezone_id="Asia/Tokyo",
            viewport=DESKTOP,
        )
        context.set_default_timeout(PATIENCE)
        try:
            yield Visit(context.pages[0], self.screenshots)
        finally:
            context.close()

    def kill(self, visit: Visit) -> None:
        """End the browser as a power failure does."""
        context = visit.page.context
        assert context.browser is not None
        processes = context.browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
        [browser] = [int(process["id"]) for process in processes if process["type"] == "browser"]
        with context.expect_event("close"):
            os.kill(browser, signal.SIGKILL)


class Chromium:
    """Browsers, one for each root they trust, started when first needed; a context manager.

    Each demo has a root of its own, so only the browsers that were needed last stay open: one weighs eight processes.
    """

    def __init__(self, programs: Programs, folder: Path, screenshots: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._screenshots = screenshots
        self._driver = sync_playwright()
        self._playwright: Playwright | None = None
        self._browsers: dict[Path | None, Browser] = {}
        self._homes = 0

    def __enter__(self) -> Self:
        """Start the driver."""
        self._playwright = self._driver.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close all browsers and the driver."""
        del kind, error, trace
        for browser in self._browsers.values():
            browser.close()
        if self._playwright is not None:
            self._playwright.stop()

    @contextmanager
    def visit(
        self, root: Path | None = None, *, locale: str = "ja-JP", viewport: ViewportSize = DESKTOP, javascript: bool = True
    ) -> Iterator[Visit]:
        """Open a fresh profile (no cookies) whose page trusts the certificates of a PEM file.

        At the end it fails when the browser complained about anything; a test that expects a complaint clears the list.
        """
        context: BrowserContext = self._browser(root).new_context(
            locale=locale, timezone_id="Asia/Tokyo", viewport=viewport, java_script_enabled=javascript
        )
        context.set_default_timeout(PATIENCE)
        try:
            visit = Visit(context.new_page(), self._screenshots)
            yield visit
        finally:
            context.close()
        if visit.complaints:
            pytest.fail("the browser complained: " + "; ".join(visit.complaints))

    def profile(self, root: Path, folder: Path) -> Profile:
        """Make a profile below a folder that trusts the certificates of a PEM file."""
        trust(self._programs, folder, root)
        return Profile(folder, self._screenshots, self._started.chromium, self._programs.chromium)

    @property
    def _started(self) -> Playwright:
        if self._playwright is None:
            message = "used outside of its with block"
            raise RuntimeError(message)
        return self._playwright

    def _browser(self, root: Path | None) -> Browser:
        if root not in self._browsers:
            self._browsers[root] = self._launched(root)
        # The one that is needed now goes to the end; at the front is who was not needed for longest.
        browser = self._browsers[root] = self._browsers.pop(root)
        idle = [other for other, open_one in self._browsers.items() if not open_one.contexts and open_one is not browser]
        for other in idle[: max(0, len(self._browsers) - BROWSERS)]:
            self._browsers.pop(other).close()
        return browser

    def _launched(self, root: Path | None) -> Browser:
        home = self._folder / f"home-{self._homes}"
        self._homes += 1
        trust(self._programs, home, root)
        return self._started.chromium.launch(executable_path=self._programs.chromium, args=ARGUMENTS, env=_environment(home))


def trust(programs: Programs, home: Path, root: Path | None) -> None:
    """Let browsers of a home folder trust the certificates of a PEM file, and no others."""
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    certutil = [programs.certutil, "-d", f"sql:{store}"]
    subprocess.run([*certutil, "-N", "--empty-password"], check=True)
    certificates = PEM.findall(root.read_text(encoding="ascii")) if root else []
    for number, certificate in enumerate(certificates):
        added = ["-A", "-n", f"root-{number}", "-t", "C,,", "-a"]
        subprocess.run([*certutil, *added], input=certificate.encode("ascii"), check=True)


def _environment(home: Path) -> dict[str, str | float | bool]:
    return {"HOME": str(home), "LANG": "ja_JP.UTF-8"}
