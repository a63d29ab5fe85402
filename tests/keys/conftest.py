from collections.abc import Iterator
from pathlib import Path

import pytest

from keys.pkcs11 import TokenKeys
from tests.support.softhsm import SoftToken, soft_token


@pytest.fixture
def soft(tmp_path: Path) -> Iterator[SoftToken]:
    """Return an empty token."""
    with soft_token(tmp_path) as made:
        yield made


@pytest.fixture
def keys_in_token(soft: SoftToken) -> TokenKeys:
    """Return the custody in that token."""
    return TokenKeys(soft.token)
