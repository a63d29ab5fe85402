import json
import logging
from collections.abc import Iterator

import pytest

from server import logs


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)


def test_our_lines_and_those_of_libraries_are_json_with_the_process_named(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("portal", "info")
    logs.logger("ours").info("terminal.retrieve", terminal="99999W")
    logging.getLogger("theirs").warning("low on %s", "disk")
    ours, theirs = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert {"event": "terminal.retrieve", "terminal": "99999W", "process": "portal", "level": "info"}.items() <= ours.items()
    assert {"event": "low on disk", "process": "portal", "level": "warning"}.items() <= theirs.items()


def test_secrets_queries_and_statements_values_do_not_reach_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("portal", "debug")
    log = logs.logger("ours")
    log.info("code.try", access_key="VERYSECRET", auth_code_2="VERYSECRET")
    log.info("page", address="https://localhost/verify?token=VERYSECRET&x=1")
    failure = RuntimeError("(psycopg.Error) no\n[SQL: INSERT]\n[parameters: {'sealed': 'VERYSECRET'}]\n(Background)")
    log.error("job.failed", exc_info=failure)
    written = capsys.readouterr().err
    assert "VERYSECRET" not in written
    assert "[SQL: INSERT]" in written


def test_the_level_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("portal", "warning")
    logs.logger("ours").info("quiet")
    logging.getLogger("theirs").info("quiet")
    assert capsys.readouterr().err == ""
