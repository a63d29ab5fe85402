"""JSON of the doors: requests are read strictly and refused without repeating what was sent; answers are as their models say."""

from datetime import UTC, datetime
from typing import Annotated, TypeVar

from flask import Request, Response, abort, json
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints, ValidationError, WithJsonSchema

from enrollment.codes import LONGEST_INPUT
from kernel.errors import Refused

JSON = "application/json"
# The largest honest request: a CSR of an RSA-4096 key and five short inputs.
LARGEST_BODY = 32_768

Body = TypeVar("Body", bound=BaseModel)

# What people type or paste for an input, in either width, with whatever between and around it; `enrollment.codes` makes it
# normal. Anything else can not be right, so it is malformed and costs no try.
_SYMBOLS, _BETWEEN, _AROUND = "0-9A-Za-z０-９Ａ-Ｚａ-ｚ", r" \t\u00a0\u3000\-‐‑‒–—―−ー－ｰ﹣_＿.．", r"\r\n"
TYPED = f"^[{_BETWEEN}{_AROUND}]*[{_SYMBOLS}][{_SYMBOLS}{_BETWEEN}]*[{_BETWEEN}{_AROUND}]*$"
Typed = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_INPUT, pattern=TYPED)]
TerminalName = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_INPUT, pattern=r"^[ -~]+$")]
Pkcs10 = Annotated[
    str, Field(description="A PKCS#10 certification request (RFC 2986) as PEM (RFC 7468)", json_schema_extra={"format": "pkcs10"})
]


def timestamp(instant: datetime) -> str:
    """Return an instant as RFC 3339 writes it, in UTC and whole seconds."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Instant = Annotated[
    datetime, PlainSerializer(timestamp, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]


class StrictBody(BaseModel):
    """A body whose fields must be there, of their type, and no others."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class AnswerBody(BaseModel):
    """What a door answers, as the OpenAPI document says it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read(request: Request, model: type[Body]) -> Body:
    """Return the body of a request; raises Refused("request-malformed", fields=…) and HTTP's 413 and 415."""
    if request.mimetype != JSON:
        abort(415)
    return parsed(request.get_data(), model)


def parsed(content: bytes, model: type[Body]) -> Body:
    """Return what a body says; raises Refused("request-malformed", fields=…)."""
    try:
        content.decode("utf-8")
        return model.model_validate_json(content)
    except UnicodeDecodeError:
        raise Refused("request-malformed") from None
    except ValidationError as error:
        names = sorted(
            {str(part["loc"][0]) for part in error.errors() if part["loc"] and str(part["loc"][0]) in model.model_fields}
        )
        raise Refused("request-malformed", fields=", ".join(names)) from None


def accepted(request: Request, *forms: str) -> str:
    """Return which form of an answer the client likes best; raises HTTP's 406, before anything is done for it."""
    if not request.accept_mimetypes:
        return forms[0]
    found = request.accept_mimetypes.best_match(forms)
    if found is None:
        abort(406)
    return found


def answer(body: AnswerBody, *, status: int = 200) -> Response:
    """Return a response that nobody keeps."""
    response = Response(json.dumps(body.model_dump(mode="json")), status, mimetype=JSON)
    response.headers["Cache-Control"] = "no-store"
    return response
