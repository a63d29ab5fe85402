"""Vectors: the examples of C2SP signed-note and of Go's golang.org/x/mod/sumdb/note, and a checkpoint of tlog-checkpoint."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kernel.audit import CheckpointSigner, NoteError, VerifierKey, notes
from kernel.audit.notes import Checkpoint

SPECIFICATION = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPECIFICATION_TEXT = "This is an example message.\n"
SPECIFICATION_SIGNATURE = "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
GO = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ROOT = bytes(range(32))
KEY = Ed25519PrivateKey.generate()
SIGNER = CheckpointSigner("example.jp/log", KEY.public_key().public_bytes_raw(), KEY.sign)
NOTE = SIGNER.note(7, ROOT)


def verifying(key: VerifierKey) -> notes.CheckSignature:
    return Ed25519PublicKey.from_public_bytes(key.public_key).verify


@pytest.mark.parametrize("vkey", [SPECIFICATION, GO])
def test_published_verifier_keys_are_read_and_written_alike(vkey: str) -> None:
    assert str(VerifierKey.parse(vkey)) == vkey


def test_the_specifications_signature_is_that_keys() -> None:
    key = VerifierKey.parse(SPECIFICATION)
    raw = base64.b64decode(SPECIFICATION_SIGNATURE)
    assert raw[:4] == key.key_id
    verifying(key)(raw[4:], SPECIFICATION_TEXT.encode())


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "example.com/foo",
        SPECIFICATION.replace("530d903a", "530d903b"),
        SPECIFICATION.replace("+Aek", "+Bek"),
        SPECIFICATION.replace("example", "sample"),
        SPECIFICATION[:-4],
        SPECIFICATION + "=",
        SPECIFICATION + " x",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "a+b+%%%",
        "a+b+ü",
    ],
)
def test_mangled_verifier_keys_are_refused(vkey: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey.parse(vkey)


def test_a_signed_checkpoint_is_read_by_its_verifier_key() -> None:
    key = VerifierKey.parse(str(SIGNER.verifier))
    assert notes.opened(NOTE, verifying(key), key) == Checkpoint("example.jp/log", 7, ROOT)


def test_lines_of_witnesses_are_passed_over() -> None:
    witness = "— witness.example.com/w1 " + base64.b64encode(bytes(76)).decode() + "\n"
    head, signature = NOTE.rsplit("\n\n", 1)
    cosigned = f"{head}\n\n{witness}{signature}{witness}"
    assert notes.opened(cosigned, KEY.public_key().verify, SIGNER.verifier).size == 7


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        NOTE.replace("\n7\n", "\n8\n"),
        NOTE.replace("— ", "-- "),
        NOTE.replace("— example.jp/log", "— example.jp/other"),
        NOTE.replace("— example.jp/log ", "— example.jp/log A"),
        NOTE.rsplit("\n\n", 1)[0],
    ],
)
def test_a_note_that_is_not_the_logs_is_refused(note: str) -> None:
    with pytest.raises(NoteError):
        notes.opened(note, KEY.public_key().verify, SIGNER.verifier)


@pytest.mark.parametrize(
    "text",
    [
        "x\n7\n",
        "x\n07\nAA==\n",
        "x\n-7\nAA==\n",
        "x\n7\nAA==\n",
        "x\n7\n%%\n",
        "\n7\nAA==\n",
        "x\n٧\nAA==\n",
        f"x\n7\n{'A' * 44}\n",
    ],
)
def test_a_signed_note_that_is_no_checkpoint_is_refused(text: str) -> None:
    signature = base64.b64encode(SIGNER.verifier.key_id + KEY.sign(text.encode())).decode()
    with pytest.raises(NoteError):
        notes.opened(f"{text}\n— example.jp/log {signature}\n", KEY.public_key().verify, SIGNER.verifier)
