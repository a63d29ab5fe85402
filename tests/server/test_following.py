"""What a gateway's machine does with what comes: files in place, the proxy told, and told again what it could not be told."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ca import publication
from ca.crl import CrlPublisher
from ca.issuers import SigningIssuer
from ca.publication import Publication
from ca.revocation import Reason
from enrollment import gateway_follower
from enrollment.gateway_follower import Follower
from enrollment.gateway_head import ListRefused
from enrollment.gateway_list import LIFETIME, GatewayList
from kernel.audit import CheckpointSigner
from kernel.database import connect
from server.following import KeptFetch, ListFollowing, Proxy, RevocationFile
from server.trouble import Trouble
from tests.conftest import FreshDatabase
from tests.support.clock import SettableClock
from tests.support.house import SECURITY, House, build_house
from tests.support.open_doors import serving

KEY = Ed25519PrivateKey.generate()
SIGNER = CheckpointSigner("status.example.jp/gateway", KEY.public_key().public_bytes_raw(), KEY.sign)


@dataclass
class Machine:
    """A gateway's machine: what is published is fetched from the folders, a reload leaves a line."""

    house: House
    clock: SettableClock
    folder: Path
    publisher: GatewayList

    @property
    def output(self) -> Path:
        """The file that the proxy includes."""
        return self.folder / "list.conf"

    @property
    def reloads(self) -> int:
        """How often the proxy was told."""
        told = self.folder / "told"
        return len(told.read_text(encoding="ascii").splitlines()) if told.exists() else 0

    def fetch(self, name: str) -> bytes:
        """Fetch a file of the list."""
        return (self.publisher.folder / name).read_bytes()

    def following(self) -> ListFollowing:
        """Return a process that begins."""
        tell = ("/bin/sh", "-c", f"test ! -e {self.folder}/broken && echo told >> {self.folder}/told")
        made = ListFollowing(
            Follower(SIGNER.verifier, KEY.public_key().verify), self.fetch, Proxy(self.output, tell), self.clock
        )  # fmt: skip
        made.begin()
        return made

    def publish(self) -> None:
        """Let a second go by and publish."""
        self.publisher.publish_if_due(self.clock.advance(timedelta(seconds=1)))


@pytest.fixture
def machine(sqlite_databases: FreshDatabase, tmp_path: Path, clock: SettableClock) -> Iterator[Machine]:
    with sqlite_databases() as url:
        database = connect(url)
        house = build_house(database, tmp_path, clock)
        yield Machine(house, clock, tmp_path, GatewayList(database, SIGNER, tmp_path / "lists"))
        database.dispose()


def test_the_proxy_is_told_once_of_each_change(machine: Machine) -> None:
    machine.publish()
    following = machine.following()
    assert [following.once(), following.once()] == [True, False]
    retrieved = machine.house.issue()
    machine.publish()
    assert [following.once(), following.once()] == [True, False]
    assert machine.output.read_text(encoding="ascii").count(" 1;\n") > 1
    machine.house.endings.revoke(retrieved.terminal, Reason.KEY_COMPROMISE, SECURITY)
    machine.publish()
    assert following.once()
    assert machine.reloads == 3


def test_what_the_proxy_could_not_be_told_it_is_told_the_next_time(machine: Machine) -> None:
    machine.publish()
    following = machine.following()
    (machine.folder / "broken").touch()
    for _ in range(2):
        with pytest.raises(Trouble):
            following.once()
    (machine.folder / "broken").unlink()
    assert following.once()
    assert machine.reloads == 1


def test_a_restart_takes_up_what_was_kept_and_refuses_what_is_older(machine: Machine) -> None:
    machine.publish()
    old = {name: machine.fetch(name) for name in ("head", *(file.name for file in machine.publisher.folder.glob("*.list")))}
    machine.house.issue()
    machine.publish()
    machine.following().once()
    before = machine.output.read_text(encoding="ascii")
    for name, content in old.items():
        (machine.publisher.folder / name).write_bytes(content)
    again = machine.following()
    with pytest.raises(ListRefused, match="older"):
        again.once()
    assert machine.output.read_text(encoding="ascii") == before


def test_what_was_kept_and_is_not_whole_is_for_somebody_to_look_at(machine: Machine) -> None:
    machine.publish()
    machine.house.issue()
    machine.publish()
    machine.following().once()
    _, lines = gateway_follower.stored_files(machine.output)
    lines.write_bytes(b"")
    with pytest.raises(ListRefused):
        machine.following()


def test_without_news_the_list_runs_out_in_nginx_itself_and_in_what_is_written(machine: Machine) -> None:
    machine.publish()
    following = machine.following()
    following.once()
    listed = machine.output.read_text(encoding="ascii")
    machine.clock.advance(LIFETIME)
    with pytest.raises(ListRefused, match="over"):
        machine.following().once()
    after = machine.output.read_text(encoding="ascii")
    assert listed.count('" 1;') > 60
    assert after.count('" 1;') < 3  # nothing but what the last map says


def test_a_written_list_is_moved_on_before_it_runs_out(machine: Machine) -> None:
    machine.publish()
    following = machine.following()
    following.once()
    first = machine.output.read_text(encoding="ascii")
    for _ in range(4):
        machine.clock.advance(timedelta(hours=2))
        machine.publish()
        following.once()
    assert machine.output.read_text(encoding="ascii") != first
    assert 1 < machine.reloads < 4


@dataclass
class Lists:
    """The lists of root and issuing CA, and the file that is made of them."""

    machine: Machine
    authorities: tuple[x509.Certificate, ...]
    names: tuple[str, ...] = ("root", "issuing-1")

    def file(self) -> RevocationFile:
        """Return what makes it."""
        proxy = Proxy(self.machine.folder / "crl.pem")
        folder = self.machine.house.crl_folder
        return RevocationFile(
            self.authorities, self.names, lambda name: (folder / f"{name}.crl").read_bytes(), proxy, self.machine.clock
        )  # fmt: skip


@pytest.fixture
def lists(machine: Machine) -> Lists:
    house = machine.house
    house.crl.publish_if_due(machine.clock.now())
    return Lists(machine, (house.root.certificate, house.issuing.issuer.certificate))


def test_the_file_has_the_list_of_every_authority(lists: Lists) -> None:
    assert lists.file().once()
    written = (lists.machine.folder / "crl.pem").read_bytes()
    assert written.count(b"-----BEGIN X509 CRL-----") == 2


def test_a_list_that_is_missing_foreign_over_or_no_list_leaves_the_file_as_it_is(lists: Lists) -> None:
    file, house = lists.file(), lists.machine.house
    file.once()
    before = (lists.machine.folder / "crl.pem").read_bytes()
    lists.names = ("root",)
    with pytest.raises(Trouble, match="no list of"):
        lists.file().once()
    lists.names, own = ("root", "issuing-1"), lists.authorities
    lists.authorities = own[:1]
    with pytest.raises(Trouble, match="not signed by any"):
        lists.file().once()
    lists.authorities = own
    lists.machine.clock.advance(timedelta(days=4))
    with pytest.raises(Trouble, match="is over"):
        lists.file().once()
    (house.crl_folder / "issuing-1.crl").write_bytes(b"<html>")
    with pytest.raises(Trouble, match="is no list"):
        lists.file().once()
    assert (lists.machine.folder / "crl.pem").read_bytes() == before


def test_a_list_that_is_older_than_the_one_in_use_is_refused(lists: Lists) -> None:
    house, clock = lists.machine.house, lists.machine.clock
    old = (house.crl_folder / "issuing-1.crl").read_bytes()
    clock.advance(timedelta(seconds=5))
    house.crl.publish(clock.now())
    lists.file().once()
    (house.crl_folder / "issuing-1.crl").write_bytes(old)
    with pytest.raises(Trouble, match="older than the one that is in use"):
        lists.file().once()


def test_a_newer_list_of_the_root_is_taken(lists: Lists) -> None:
    house, clock = lists.machine.house, lists.machine.clock
    lists.file().once()
    clock.advance(timedelta(days=1))
    root = SigningIssuer(house.root, house.keys.open_signing(house.root.key_name))
    for publisher in (CrlPublisher(house.database, root, house.crl_folder), house.crl):
        publisher.publish(clock.now())
    before = (lists.machine.folder / "crl.pem").read_bytes()
    assert lists.file().once()
    assert (lists.machine.folder / "crl.pem").read_bytes() != before


def test_a_list_that_did_not_change_is_not_fetched_again_and_is_looked_at_again_when_it_is_over(lists: Lists) -> None:
    house, clock = lists.machine.house, lists.machine.clock
    app = publication.create_app(Publication(house.database, clock, house.responder, house.crl_folder, house.timestamps))
    listener, fetch = socket.create_server(("127.0.0.1", 0)), KeptFetch()
    with serving(app, listener):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/crl/"
        lists.names = tuple(f"{url}{name}.crl" for name in lists.names)
        file = RevocationFile(
            lists.authorities, lists.names, fetch, Proxy(lists.machine.folder / "crl.pem"), clock
        )  # fmt: skip
        assert file.once()
        first = fetch(lists.names[1])
        assert fetch(lists.names[1]) is first
        assert not file.once()
        house.crl.publish(clock.advance(timedelta(seconds=5)))
        assert file.once()
        assert fetch(lists.names[1]) is not first
        with pytest.raises(OSError, match="404"):
            fetch(f"{url}nobody.crl")
        clock.advance(timedelta(days=4))
        with pytest.raises(Trouble, match="is over"):
            file.once()
