"""Child processes for what a door should not do in its own: setting a form, and reading a stranger's file.

Each lives for one question, without environment, database or keys, within bounds that it sets itself, and few at a time:
a file that kills its reader kills nothing else (docs/decisions/0038-documents.md).
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from enrollment.documents.examination import Examination, Outcome
from enrollment.documents.facts import Facts
from kernel.errors import Unavailable

_AT_ONCE = 2
_PRESS, _EXAMINER = "enrollment.documents.press", "enrollment.documents.examiner"


@dataclass(frozen=True)
class Children:
    """Starts them. `patience` is in seconds: for a turn, and then for the answer."""

    patience: float = 12.0
    _turns: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(_AT_ONCE), repr=False)

    def typeset(self, facts: Facts, at: datetime) -> bytes:
        """Return a document as PDF; raises Unavailable while too many are being made."""
        asked = json.dumps({"at": at.isoformat(), "facts": facts}, ensure_ascii=False).encode()
        answer = self._ask(_PRESS, asked)
        if answer is None:
            raise RuntimeError("the document could not be set")
        return answer

    def examine(self, content: bytes, roots: Sequence[bytes], now: datetime) -> Examination:
        """Judge a file; one that its reader can not bear is unreadable. Raises Unavailable while too many are examined."""
        asked = json.dumps({"roots": [root.hex() for root in roots], "now": now.isoformat()}).encode()
        answer = self._ask(_EXAMINER, asked + b"\n" + content)
        try:
            return Examination.read(answer) if answer is not None else Examination(Outcome.UNREADABLE)
        except (ValueError, TypeError, KeyError):
            return Examination(Outcome.UNREADABLE)

    def _ask(self, program: str, asked: bytes) -> bytes | None:
        """Return what a program answers; None when it died or took too long."""
        # -I: neither the environment nor the present folder say what is imported.
        command = [sys.executable, "-I", "-m", program]
        with self._turn():
            try:
                done = subprocess.run(  # noqa: S603 (our own program, and nothing of a stranger's in the command)
                    command, input=asked, capture_output=True, env={}, timeout=self.patience, check=False
                )
            except subprocess.TimeoutExpired:
                return None
        return done.stdout if done.returncode == 0 else None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=self.patience / 2):
            raise Unavailable("all who set or examine documents are busy")
        try:
            yield
        finally:
            self._turns.release()
