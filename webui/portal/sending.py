"""添付ファイル: what a form brings, and how a file goes out: always to be saved, never shown by the browser.

A file is a stranger's: whatever its type, it leaves as octets under its clean name, and its answer may load, run and embed
nothing.
"""

import flask
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from kernel.errors import Refused
from registry.attachments import EXTENSIONS, FIELD, Attachment
from registry.faults import Faults, FieldFault, Invalid
from webui import downloads, guard
from webui.accounts import Right
from webui.portal.kinds import KindBlueprint, correcting, kind
from webui.portal.parts import customer, office_code, portal

blueprint = flask.Blueprint("sending", __name__, url_prefix="/applications")
drafted = KindBlueprint("drafted_files", __name__)
# For the picker of files only: what counts is what the server finds.
ACCEPTED = ",".join(f".{extension}" for extension in EXTENSIONS)


@blueprint.get("/<string(length=7):receipt_number>/files/<string(length=32):file_id>")
@guard.customer()
def read(receipt_number: str, file_id: str) -> Response:
    """Hand out a file of one of the office's applications."""
    return downloads.attachment(*portal().attachments.read(receipt_number, file_id, office_code=office_code()))


@drafted.get("/files/<string(length=32):file_id>")
@guard.customer(right=Right.APPLY)
def read_drafted(file_id: str) -> Response:
    """Hand out a file of the customer's own draft."""
    draft = portal().drafts.load(customer(), kind(), correcting())
    if draft is None:
        raise Refused("attachment-unknown")
    return downloads.attachment(*portal().attachments.read_own(customer(), draft.id, file_id))


def chosen() -> list[tuple[str, bytes]]:
    """Return the files of the present form: name as sent, and content, of which one octet too many is read at most."""
    limit = portal().attachments.limits
    sent = [file for file in flask.request.files.getlist(FIELD) if file.filename]
    # One more than may be sent is enough to refuse them.
    return [(file.filename or "", _read(file, limit.octets)) for file in sent[: limit.most + 1]]


def chosen_some() -> list[tuple[str, bytes]]:
    """Return the files of the present form, where they are all that it is for. Raises Invalid(files-none)."""
    files = chosen()
    if not files:
        raise Invalid(Faults([FieldFault(FIELD, "files-none")]))
    return files


def facts(files: tuple[Attachment, ...] = ()) -> dict[str, object]:
    """Return what the field for files needs to know."""
    limits = portal().attachments.limits
    megabytes = limits.octets // (1024 * 1024)
    return {"files": files, "most_files": limits.most, "most_megabytes": megabytes, "accepted": ACCEPTED}


def _read(file: FileStorage, most: int) -> bytes:
    content: bytes = file.stream.read(most + 1)
    return content
