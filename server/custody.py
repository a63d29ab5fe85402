"""The keys that processes open, by the name of what they are for. Each door calls only what it may have."""

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from kernel.audit import CheckpointSigner, VerifierKey
from keys import pkcs11, tokens
from keys.algorithms import SigningKey, VerifyingKey
from keys.codes import CodeHasher, Opener, Sealer
from keys.custody import AssignedKeys, KeyAlgorithm, KeyStore, SoftwareKeys, require_at_hand
from keys.trouble import CustodyAwayError, KeyTroubleError, PinRefusedError
from keys.vault import Vault
from server import logs
from server.home import Home, secret_file, write_whole
from server.key_places import TokenPlace, decrypts
from server.settings import Settings
from server.trouble import Trouble

CODES, CHECKPOINT, GATEWAY = "codes", "checkpoint", "gateway"
KEYS_PASSPHRASE, CODE_HASH_KEY, FACTORS_KEY = "keys_passphrase", "code_hash_key", "factors_key"


_log = logs.logger("server.custody")


@contextmanager
def told_to_the_operator() -> Iterator[None]:
    """Turn what is wrong with a key into Trouble: it is the operator who mends it."""
    try:
        yield
    except KeyTroubleError as error:
        raise Trouble(str(error)) from error


@dataclass(frozen=True)
class Custody:
    """The keys of one home."""

    settings: Settings

    @property
    def software(self) -> SoftwareKeys:
        """The folder of encrypted keys."""
        return SoftwareKeys(Home(self.settings.home).keys, self.settings.secret(KEYS_PASSPHRASE).encode())

    @property
    def keys(self) -> KeyStore:
        """All keys, each in the custody that the settings name for it; only what is asked for is opened."""
        return AssignedKeys(self._store_of)

    def _store_of(self, name: str) -> tuple[KeyStore, str]:
        place = self.settings.keys.place(name)
        if place is None:
            return self.software, name
        keys = pkcs11.TokenKeys(self._token(place), self.settings.keys.backup_key, decrypts=decrypts(name))
        return keys, place.label or name

    def in_token(self, name: str, backup_key: str | None = None) -> "tuple[pkcs11.TokenKeys, str]":
        """Return the token of a key and its label there, for backups; raises Trouble for a key that is in software."""
        place = self.settings.keys.place(name)
        if place is None:
            raise Trouble(
                f"the key {name} is a file in {Home(self.settings.home).keys}: copy that, with the secret {KEYS_PASSPHRASE}"
            )
        wrapping = backup_key or self.settings.keys.backup_key
        return pkcs11.TokenKeys(self._token(place), wrapping, decrypts=decrypts(name)), place.label or name

    def _token(self, place: TokenPlace) -> "tokens.Token":
        return tokens.Token(
            place.module, place.token, partial(self._pin, place.pin_secret), partial(self._attempt, place.pin_secret)
        )

    def _pin(self, secret: str) -> str:
        try:
            return self.settings.secret(secret)
        except Trouble as trouble:
            raise CustodyAwayError(str(trouble)) from trouble

    @contextmanager
    def _attempt(self, secret: str) -> Iterator[None]:
        """Let one process at a time log in, and none with a PIN that any was refused: a token locks itself after a few.

        What is remembered is the state of the PIN's file, which says nothing of the PIN.
        """
        path = self.settings.home / f".{secret}.refused"
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="ascii") as noted:
            fcntl.flock(noted, fcntl.LOCK_EX)
            state = self._state_of(secret)
            if noted.read() == state:
                raise CustodyAwayError(f"the token refused the PIN in {secret}, whose file was not changed since")
            try:
                yield
            except PinRefusedError:
                noted.seek(0)
                noted.truncate()
                noted.write(state)
                raise

    def _state_of(self, secret: str) -> str:
        try:
            stat = (self.settings.secrets_dir / secret).stat()
        except OSError:
            return "missing"
        return f"{stat.st_dev}/{stat.st_ino}/{stat.st_size}/{stat.st_mtime_ns}"

    def hasher(self) -> CodeHasher:
        """Return the keyed hash of codes: for whoever looks codes up or makes them."""
        return CodeHasher(self.settings.secret(CODE_HASH_KEY).encode())

    def factors(self) -> Vault:
        """Return what keeps the secrets of second factors: for the doors where people log in. It opens no codes."""
        return Vault(self.settings.secret(FACTORS_KEY).encode(), "second factors")

    def sealer(self) -> Sealer:
        """Return the public half of the sealing key: for whoever makes codes, and may not read them."""
        key = load_pem_public_key(self._sealing_half.read_bytes())
        if not isinstance(key, x25519.X25519PublicKey):
            raise Trouble(f"{self._sealing_half} is no X25519 public key")
        return Sealer(key)

    def opener(self) -> Opener:
        """Return the private half of the sealing key: for the door that shows codes."""
        with told_to_the_operator():
            return Opener(self.software.open_sealing(CODES))

    def signing(self, name: str) -> SigningKey:
        """Return an issuer's or the responder's key; raises Trouble when it is missing or can not be opened."""
        with told_to_the_operator():
            return self.keys.open_signing(name)

    def expected(self, name: str, public: object) -> SigningKey:
        """Return the key whose public half is certified; raises Trouble when it is missing, another, or can not be opened.

        While its token is away it is returned all the same, so that doors open: what it is asked then is refused for a while.
        """
        if not isinstance(public, VerifyingKey):
            raise Trouble(f"key {name!r} is of a kind that does not sign here")
        with told_to_the_operator():
            key = self.keys.expect(name, public)
        try:
            require_at_hand(key)
        except KeyTroubleError as trouble:
            _log.warning("key.away", key=name, reason=str(trouble))
        return key

    def checkpoint(self) -> ed25519.Ed25519PrivateKey:
        """Return the key that signs the audit log's heads."""
        return self._ed25519(CHECKPOINT)

    def gateway(self) -> ed25519.Ed25519PrivateKey:
        """Return the key that signs the gateways' positive list."""
        return self._ed25519(GATEWAY)

    def _ed25519(self, name: str) -> ed25519.Ed25519PrivateKey:
        public = self._known_half(name)
        key = self.signing(name) if public is None else self.expected(name, public)
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise Trouble(f"key {name!r} is not an Ed25519 key")
        return key

    def found(self) -> None:
        """Make the secrets and the keys that belong to no certificate, where they are not there yet."""
        home = Home(self.settings.home)
        for name in (KEYS_PASSPHRASE, CODE_HASH_KEY, FACTORS_KEY):
            if not (self.settings.secrets_dir / name).exists():
                secret_file(home.secrets, name)
        with told_to_the_operator():
            wanted = ((CHECKPOINT, KeyAlgorithm.ED25519), (GATEWAY, KeyAlgorithm.ED25519), (CODES, KeyAlgorithm.X25519))
            for name, algorithm in wanted:
                if not self.keys.exists(name):
                    self.keys.create(name, algorithm)
            public = self.software.open_sealing(CODES).public_key()
        write_whole(self._sealing_half, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def _known_half(self, name: str) -> ed25519.Ed25519PublicKey | None:
        """Return the public half that this home wrote down for those who check its notes; None while it is being made."""
        home = Home(self.settings.home)
        try:
            vkey = {CHECKPOINT: home.log_key, GATEWAY: home.gateway_key}[name].read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return ed25519.Ed25519PublicKey.from_public_bytes(VerifierKey.parse(vkey).public_key)

    @property
    def _sealing_half(self) -> Path:
        return Home(self.settings.home).keys / "codes.pub"


def keys_check(keys: Callable[[], Iterable[object]]) -> Callable[[], None]:
    """Return what raises KeyTroubleError unless all of these keys could sign now: what `/readyz` asks."""

    def check() -> None:
        for key in keys():
            require_at_hand(key)

    return check


def gateway_signer_of(settings: Settings) -> CheckpointSigner:
    """Return what signs the gateways' positive list; its origin is the list's address without the scheme."""
    key = Custody(settings).gateway()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return CheckpointSigner(f"{settings.status.url.partition('://')[2]}/gateway", public, key.sign)
