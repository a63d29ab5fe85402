"""pkilint reads every kind of certificate that a ceremony makes, links between roots among them, and the roots' lists."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from kernel.database import connect
from tests.ca.every_kind import EVERY, all_of_ours, hold_every_kind
from tests.interop.pkilint_rules import in_certificates, in_lists

KINDS = ("root", "root-new-by", "issuing", "ocsp", "timestamp", "document", "scep", "cmp", "mail", "tls")


@pytest.fixture(scope="module")
def made(
    sqlite_databases: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, list[bytes]], Path]:
    """Hold a ceremony of everything; return the certificates by name, and the folder of the lists."""
    folder = tmp_path_factory.mktemp("every")
    with sqlite_databases() as url:
        database = connect(url)
        hold_every_kind(database, folder)
        found = {
            name: [one.public_bytes(Encoding.DER) for one in certificates] for name, certificates in all_of_ours(database).items()
        }
        database.dispose()
    return found, folder / "published"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_certificate_is_without_finding(made: tuple[dict[str, list[bytes]], Path], kind: str) -> None:
    found = {name: ders for name, ders in made[0].items() if name.startswith(f"{kind}-")}
    assert found
    assert {name: told for name, ders in found.items() if (told := in_certificates(ders))} == {}


def test_every_authoritys_first_list_is_without_finding(made: tuple[dict[str, list[bytes]], Path]) -> None:
    lists = sorted(made[1].glob("*.crl"))
    assert len(lists) == 2 * len(EVERY) - 1
    assert {file.name: told for file in lists if (told := in_lists([file.read_bytes()]))} == {}
