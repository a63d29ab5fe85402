import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from keys import tokens
from keys.custody import KeyAlgorithm
from keys.pkcs11 import TokenKeys
from keys.tokens import Token
from keys.trouble import CustodyAwayError, KeyTroubleError, PinRefusedError
from tests.support.softhsm import PIN, SoftToken, soft_token

ECDSA = ec.ECDSA(hashes.SHA256())
MESSAGE = b"to be signed"


@pytest.fixture
def key(keys_in_token: TokenKeys) -> ec.EllipticCurvePrivateKey:
    """Return a key in the token."""
    made = keys_in_token.create("k", KeyAlgorithm.P256)
    assert isinstance(made, ec.EllipticCurvePrivateKey)
    return made


def _use(key: ec.EllipticCurvePrivateKey) -> None:
    key.public_key().verify(key.sign(MESSAGE, ECDSA), MESSAGE, ECDSA)


def _in_a_fork(deed: Callable[[], None]) -> int:
    """Return the exit status of a child that does something."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            deed()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_pulled_token_is_told_and_works_again_when_it_is_back(soft: SoftToken, key: ec.EllipticCurvePrivateKey) -> None:
    _use(key)
    for _ in range(2):
        soft.pull()
        with pytest.raises(CustodyAwayError, match=f"token '{soft.label}' is away"):
            key.sign(MESSAGE, ECDSA)
        soft.put_back()
        time.sleep(tokens.PAUSE)
        _use(key)


def test_a_module_without_its_store_is_a_token_that_is_away(soft: SoftToken, key: ec.EllipticCurvePrivateKey) -> None:
    soft.objects.rename(soft.folder / "elsewhere")
    with pytest.raises(CustodyAwayError):
        key.sign(MESSAGE, ECDSA)
    (soft.folder / "elsewhere").rename(soft.objects)
    time.sleep(tokens.PAUSE)
    _use(key)


def test_a_lost_session_is_opened_again_unnoticed(soft: SoftToken, key: ec.EllipticCurvePrivateKey) -> None:
    _use(key)
    soft.token.ask(lambda visit: visit.session.close())
    _use(key)


def test_a_key_of_a_pulled_token_does_not_pass_for_one_that_never_was(soft: SoftToken, keys_in_token: TokenKeys) -> None:
    """Who believed it would make a second root."""
    keys_in_token.create("k", KeyAlgorithm.P256)
    soft.pull()
    with pytest.raises(CustodyAwayError):
        keys_in_token.exists("k")
    with pytest.raises(CustodyAwayError):
        keys_in_token.create("k", KeyAlgorithm.P256)


def test_a_token_that_is_away_is_left_alone_for_a_while(
    soft: SoftToken, key: ec.EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "PAUSE", 60)
    soft.pull()
    with pytest.raises(CustodyAwayError):
        key.sign(MESSAGE, ECDSA)
    soft.put_back()
    begun = time.monotonic()
    with pytest.raises(CustodyAwayError):
        key.sign(MESSAGE, ECDSA)
    assert time.monotonic() - begun < tokens.PAUSE / 2


def test_another_key_under_the_label_is_not_used(soft: SoftToken, key: ec.EllipticCurvePrivateKey) -> None:
    _use(key)
    soft.tool("--delete-object", "--type", "privkey", "--label", "k")
    soft.tool("--delete-object", "--type", "pubkey", "--label", "k")
    soft.tool("--keypairgen", "--key-type", "EC:prime256v1", "--label", "k", "--id", "01")
    with pytest.raises(KeyTroubleError, match="another key under the label 'k' than before"):
        key.sign(MESSAGE, ECDSA)


def test_a_refused_pin_is_not_tried_again_until_it_was_changed(soft: SoftToken) -> None:
    """Tokens lock themselves after a few attempts, and every request is one."""
    written = ["000000"]
    keys = TokenKeys(Token(soft.module, soft.label, lambda: written[-1]))
    with pytest.raises(CustodyAwayError, match="refuses its PIN"):
        keys.exists("k")
    for _ in range(2):
        with pytest.raises(CustodyAwayError, match="was not changed since"):
            keys.exists("k")
    written.append(PIN)
    assert not keys.exists("k")


def test_no_failure_tells_a_pin(soft: SoftToken) -> None:
    with pytest.raises(CustodyAwayError) as caught:
        TokenKeys(soft.with_pin("314159")).exists("k")
    fault: BaseException | None = caught.value
    while fault is not None:
        assert "314159" not in repr(fault) + str(fault)
        fault = fault.__cause__ or fault.__context__
    assert "314159" not in repr(soft.with_pin("314159"))


def test_two_tokens_with_one_label_are_not_told_apart_by_luck(soft: SoftToken) -> None:
    soft.run("softhsm2-util", "--init-token", "--free", "--label", soft.label, "--pin", PIN, "--so-pin", "528491")
    with pytest.raises(KeyTroubleError, match="more than one token"):
        TokenKeys(soft.token).exists("k")


def test_threads_take_turns(key: ec.EllipticCurvePrivateKey) -> None:
    with ThreadPoolExecutor(8) as threads:
        signatures = list(threads.map(lambda number: key.sign(b"%d" % number, ECDSA), range(400)))
    for number, signature in enumerate(signatures):
        key.public_key().verify(signature, b"%d" % number, ECDSA)


def _await(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60  # a busy machine is slow
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_threads_survive_a_loss_together(soft: SoftToken, key: ec.EllipticCurvePrivateKey) -> None:
    stop, kinds = threading.Event(), set()

    def work() -> None:
        while not stop.is_set():
            try:
                _use(key)
                kinds.add("signed")
            except CustodyAwayError:
                kinds.add("away")
                time.sleep(0.05)

    with ThreadPoolExecutor(4) as threads:
        workers = [threads.submit(work) for _ in range(4)]
        _await(lambda: "signed" in kinds)
        soft.pull()
        _await(lambda: "away" in kinds)
        soft.put_back()
        time.sleep(tokens.PAUSE + 0.3)
        stop.set()
        for worker in workers:
            worker.result()
    assert kinds == {"signed", "away"}
    _use(key)


def test_a_token_that_hangs_does_not_hold_everybody(key: ec.EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "PATIENCE", 0.05)
    begun, done = threading.Event(), threading.Event()

    def hang(_visit: object) -> None:
        begun.set()
        done.wait(60)

    place = key._place  # type: ignore[attr-defined]  # noqa: SLF001
    with ThreadPoolExecutor(1) as thread:
        hanging = thread.submit(place.token.ask, hang)
        begun.wait()
        with pytest.raises(CustodyAwayError, match="busy"):
            key.sign(MESSAGE, ECDSA)
        done.set()
        hanging.result()
    _use(key)


def test_children_sign_by_sessions_of_their_own(key: ec.EllipticCurvePrivateKey) -> None:
    _use(key)
    for _ in range(3):
        assert _in_a_fork(lambda: _use(key)) == 0
    _use(key)


def test_a_child_does_not_inherit_a_lock_that_another_thread_held(soft: SoftToken, key: ec.EllipticCurvePrivateKey) -> None:
    begun, done = threading.Event(), threading.Event()

    def hold(_visit: object) -> None:
        begun.set()
        done.wait(60)

    with ThreadPoolExecutor(1) as thread:
        holding = thread.submit(soft.token.ask, hold)
        begun.wait()
        status = _in_a_fork(lambda: _use(key))
        done.set()
        holding.result()
    assert status == 0


def test_two_tokens_are_used_side_by_side(soft: SoftToken, key: ec.EllipticCurvePrivateKey, tmp_path: Path) -> None:
    soft.run("softhsm2-util", "--init-token", "--free", "--label", "second", "--pin", PIN, "--so-pin", "528491")
    with soft_token(tmp_path / "unrelated"):
        pass
    other = TokenKeys(Token(soft.module, "second", lambda: PIN)).create("k", KeyAlgorithm.P256)
    assert isinstance(other, ec.EllipticCurvePrivateKey)
    assert other.public_key() != key.public_key()
    for _ in range(3):
        _use(key)
        _use(other)


def test_who_logs_in_may_be_told_to_wait_and_hears_of_a_refused_pin(soft: SoftToken) -> None:
    """Processes have one memory of refusals only if they keep it themselves (`server.custody`)."""
    heard: list[str] = []

    @contextmanager
    def attempt() -> Iterator[None]:
        try:
            yield
        except PinRefusedError as refused:
            heard.append(str(refused))
            raise

    written = ["000000"]
    keys = TokenKeys(Token(soft.module, soft.label, lambda: written[-1], attempt))
    for _ in range(3):
        with pytest.raises(CustodyAwayError):
            keys.exists("k")
    assert heard == [f"token {soft.label!r} refuses its PIN"]
    written.append(PIN)
    assert not keys.exists("k")
