"""JSON requests of the doors: read strictly, refused without repeating what was sent."""

from typing import TypeVar

from flask import Request, abort
from pydantic import BaseModel, ConfigDict, ValidationError

from kernel.errors import Refused

# The largest honest request: a CSR of an RSA-4096 key and five short inputs.
LARGEST_BODY = 32_768

Body = TypeVar("Body", bound=BaseModel)


class StrictBody(BaseModel):
    """A body whose fields must be there, of their type, and no others."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


def read(request: Request, model: type[Body]) -> Body:
    """Return the body of a request; raises Refused("request-malformed", fields=…) and HTTP's 413 and 415."""
    if request.mimetype != "application/json":
        abort(415)
    content = request.get_data()
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
