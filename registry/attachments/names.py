"""Names of sent files, made safe: what stays is a label that any system can save under, and that hides nothing.

    clean_name(raw) -> str          idempotent; never empty; at most `MOST` characters and `OCTETS` octets in UTF-8

A name's extension survives, because it says what the content must be. Bidirectional overrides and other invisible
characters go: with them "gpj.exe" reads "exe.jpg". So do characters that no typeface of the documents has.
"""

import re

from registry.japanese import composed, forbidden_character
from registry.typefaces import shown

MOST = 100
# ext4, NTFS and APFS take 255 octets or characters; who saves a file may add to its name.
OCTETS = 200
_EXTENSION_MOST = 10
_EXTENSION = re.compile(rf"\.[0-9A-Za-z]{{1,{_EXTENSION_MOST}}}")
# What Windows does not take in a name, and both kinds of path separators.
_NEVER = re.compile(r'[<>:"/\\|?*]')
_SPACES = re.compile(r"[\s　]+")
# Devices of Windows, whatever extension follows them.
_RESERVED = re.compile(r"(?:CON|PRN|AUX|NUL|COM[0-9¹²³]|LPT[0-9¹²³]|CONIN\$|CONOUT\$|CLOCK\$)", re.IGNORECASE)


def clean_name(raw: str) -> str:
    """Return a file's name without path, invisible characters and what systems or documents can not take."""
    text = _SPACES.sub(" ", raw[:4096].replace("\\", "/").rpartition("/")[2])
    text = composed("".join(character for character in text if forbidden_character(character) is None))
    text = _NEVER.sub("_", _SPACES.sub(" ", text)).strip(" .")
    stem, extension = _split(text)
    stem = shown(stem.strip(" ."))
    if _RESERVED.fullmatch(stem.partition(".")[0].rstrip(" ")):
        stem = f"_{stem}"
    stem = _shortened(stem[: MOST - len(extension)], OCTETS - len(extension)).rstrip(" .") or "file"
    head, ending = _split(stem)
    if ending and not extension:  # the cut has made one: the name had none
        stem = f"{head}_{ending[1:]}"
    return f"{stem}{extension}"


def extension_of(name: str) -> str:
    """Return a clean name's extension in lower case, without the dot; empty for none."""
    return _split(name)[1].removeprefix(".").lower()


def _split(name: str) -> tuple[str, str]:
    stem, dot, ending = name.rpartition(".")
    return (stem, dot + ending) if dot and stem and _EXTENSION.fullmatch(dot + ending) else (name, "")


def _shortened(text: str, octets: int) -> str:
    return text.encode()[:octets].decode(errors="ignore")
