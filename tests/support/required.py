"""Tests that need something of the machine: without it they are skipped by name, or fail where everything is required."""

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip the running test and say what it needs; with TEGATA_TEST_REQUIRE_ALL=1 (`make test`) fail it instead."""
    if os.environ.get("TEGATA_TEST_REQUIRE_ALL") == "1":
        pytest.fail(f"required, but missing: {what}", pytrace=False)
    pytest.skip(f"missing: {what}")
