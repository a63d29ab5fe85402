"""A visitor of a door: Flask's client that speaks https, keeps cookies and sends the form token of the page it saw."""

import re
from collections.abc import Mapping

import flask
import pyotp
from werkzeug.test import TestResponse

from kernel.clock import Clock
from webui.csrf import FIELD

PASSWORD = "korewa-nagai-aikotoba"
# The authenticator app of everybody who has one.
TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
_TOKEN = re.compile(rf'name="{FIELD}" value="([0-9a-f]+)"')


def code_at(clock: Clock, *, steps: int = 0) -> str:
    """Return what the app shows now, or some steps later."""
    return pyotp.TOTP(TOTP_SECRET).at(clock.now(), counter_offset=steps)


class Visitor:
    """Someone with a browser of their own, at one address."""

    def __init__(self, app: flask.Flask, address: str = "192.0.2.1") -> None:
        self.client = app.test_client()
        self.address = address
        self.token = ""

    def get(self, path: str, **headers: str) -> TestResponse:
        """Read a page."""
        return self._seen(
            self.client.get(path, base_url="https://localhost", headers=headers, environ_base={"REMOTE_ADDR": self.address})
        )

    def post(self, path: str, form: Mapping[str, str | list[str]] | None = None, **headers: str) -> TestResponse:
        """Send a form as the last page seen would."""
        return self.post_bare(path, {FIELD: self.token, **(form or {})}, **headers)

    def post_bare(self, path: str, form: Mapping[str, str | list[str]], **headers: str) -> TestResponse:
        """Send a form without the page's token."""
        return self._seen(
            self.client.post(
                path, base_url="https://localhost", data=form, headers=headers, environ_base={"REMOTE_ADDR": self.address}
            )
        )

    def arrive(self, path: str, form: Mapping[str, str | list[str]] | None = None) -> TestResponse:
        """Send a form as a browser does: where the answer leads on, that page is read."""
        answer = self.post(path, form)
        return self.get(answer.location) if answer.location else answer

    def log_in(self, **typed: str) -> TestResponse:
        """Open the log-in page and log in."""
        self.get("/login")
        return self.post("/login", {"password": PASSWORD, **typed})

    def cookie(self, name: str) -> str:
        """Return the value of one of the door's cookies, empty for none."""
        found = self.client.get_cookie(name, domain="localhost")
        return found.value if found else ""

    def _seen(self, response: TestResponse) -> TestResponse:
        found = _TOKEN.search(response.text) if response.mimetype == "text/html" else None
        if found:
            self.token = found[1]
        return response
