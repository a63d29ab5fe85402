"""The doors' REST interface as an OpenAPI 3.1 document at `/api/openapi.json`.

It is made of the models that read requests and write answers, of the table of problems and of the app's own routes: what is
not described keeps the app from being built. Each door says beside its routes which refusals of a use case they answer.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from flask import Blueprint, Flask, Response, current_app, json, request
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from enrollment.protocols import json_bodies
from enrollment.protocols.json_bodies import JSON
from enrollment.protocols.problems import MEDIA_TYPE, PROBLEMS, ProblemBody, tell

ADDRESS, PREFIX = "/api/openapi.json", "/api/"
_KEY = "openapi"
_REFERENCES = "#/components/schemas/{model}"
# What Flask answers by itself for each route.
_AUTOMATIC = {"HEAD", "OPTIONS"}
# What any route may answer, and what those that read a body may.
ANYWHERE = frozenset({"not-acceptable", "unavailable", "internal"})
WITH_BODY = frozenset({"request-malformed", "too-large", "media-type"})
# Headers of refusals by status: RFC 9110 §11.6.1, RFC 6585 §4, RFC 9110 §15.6.4.
_HEADERS = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}

blueprint = Blueprint("openapi", __name__)

Node = dict[str, Any]
_Mode = Literal["validation", "serialization"]


@dataclass(frozen=True)
class Header:
    """A header of an answer, and the JSON schema of its value."""

    name: str
    description: str
    schema: Mapping[str, object]


NO_STORE = Header("Cache-Control", "Nobody keeps it.", {"type": "string"})


@dataclass(frozen=True)
class Answer:
    """A good answer: its model, the media types in which it can be had besides JSON, its headers, where it leads to."""

    description: str
    model: type[BaseModel] | None
    forms: tuple[str, ...] = ()
    headers: tuple[Header, ...] = (NO_STORE,)
    leads_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """What a route does; `refusals` are the codes of its use case, beside those of `ANYWHERE` and `WITH_BODY`."""

    name: str
    summary: str
    japanese: str
    answers: Mapping[int, Answer]
    refusals: frozenset[str] = field(default_factory=frozenset)
    body: type[BaseModel] | None = None
    needs_certificate: bool = False

    @property
    def codes(self) -> frozenset[str]:
        """All codes of problems that it may answer."""
        return self.refusals | ANYWHERE | (WITH_BODY if self.body else frozenset())


ITSELF = Operation(
    "describe",
    "This document",
    "この文書",
    {200: Answer("The interface of this door (OpenAPI 3.1)", None, headers=())},
)


def mount(app: Flask, title: str, description: str, operations: Mapping[str, Operation]) -> None:
    """Serve the document of an app whose routes are all there; `operations` are by endpoint.

    Raises LookupError for a route below `/api/` that nobody describes.
    """
    app.register_blueprint(blueprint)
    described = {**operations, "openapi.show": ITSELF}
    app.extensions[_KEY] = json.dumps(document(app, {"title": title, "description": description, "version": "1"}, described))


@blueprint.get(ADDRESS)
def show() -> Response:
    """Give the document."""
    form = json_bodies.accepted(request, JSON)
    response = Response(current_app.extensions[_KEY], mimetype=form)
    response.headers["Cache-Control"] = "no-cache"
    return response


def document(app: Flask, info: Mapping[str, object], operations: Mapping[str, Operation]) -> Node:
    """Return the OpenAPI document of an app."""
    schemas = _Schemas(operations.values())
    paths: dict[str, Node] = {}
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith(PREFIX):
            continue
        operation = operations.get(rule.endpoint)
        if operation is None:
            raise LookupError(f"nobody describes {rule.rule}")
        for method in (rule.methods or set()) - _AUTOMATIC:
            paths.setdefault(rule.rule, {})[method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {**info, "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas.all,
            "securitySchemes": {
                "certificate": {"type": "mutualTLS", "description": "The terminal's current certificate / 端末の現在の証明書"}
            },
        },
    }


class _Schemas:
    """The JSON schemas of all models: requests as they are read, answers as they are written."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        wanted: dict[type[BaseModel], _Mode] = {ProblemBody: "serialization"}
        for operation in operations:
            if operation.body:
                wanted[operation.body] = "validation"
            wanted |= {answer.model: "serialization" for answer in operation.answers.values() if answer.model}
        found, made = models_json_schema(list(wanted.items()), ref_template=_REFERENCES)
        self.all: Node = made["$defs"]
        self._by_model = {model: found[model, mode] for model, mode in wanted.items()}

    def of(self, model: type[BaseModel] | None) -> Node:
        """Return where a model's schema stands; without a model any object will do."""
        return dict(self._by_model[model]) if model else {"type": "object"}


def _operation(operation: Operation, schemas: _Schemas) -> Node:
    told: Node = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.japanese,
        "responses": {
            **{str(status): _answer(answer, schemas) for status, answer in operation.answers.items()},
            **dict(_problems(operation.codes, schemas)),
        },
    }
    if operation.body:
        told["requestBody"] = {"required": True, "content": {JSON: {"schema": schemas.of(operation.body)}}}
    if operation.needs_certificate:
        told["security"] = [{"certificate": []}]
    return told


def _answer(answer: Answer, schemas: _Schemas) -> Node:
    told: Node = {
        "description": answer.description,
        "content": {JSON: {"schema": schemas.of(answer.model)}, **{form: {} for form in answer.forms}},
        "headers": {header.name: _header(header) for header in answer.headers},
    }
    if answer.leads_to:
        told["links"] = {name: {"operationId": name} for name in answer.leads_to}
    return told


def _header(header: Header) -> Node:
    return {"description": header.description, "required": True, "schema": dict(header.schema)}


def _problems(codes: Iterable[str], schemas: _Schemas) -> Iterator[tuple[str, Node]]:
    """Yield one response for each status, which lists the codes that it may have, with their sentences."""
    of_status: dict[int, list[str]] = defaultdict(list)
    for code in sorted(codes):
        of_status[PROBLEMS[code].status].append(code)
    for status, found in sorted(of_status.items()):
        told = [f"- `{code}`: {tell(code).english} / {tell(code).japanese}" for code in found]
        schema = {
            "allOf": [schemas.of(ProblemBody)],
            "properties": {"code": {"enum": found}, "status": {"const": status}},
        }
        response: Node = {"description": "\n".join(told), "content": {MEDIA_TYPE: {"schema": schema}}}
        response["headers"] = {"Cache-Control": _header(NO_STORE)}
        if name := _HEADERS.get(status):
            kind = "integer" if name == "Retry-After" else "string"
            description = "Seconds after which to try again" if kind == "integer" else "RFC 9110 §11.6.1"
            response["headers"][name] = _header(Header(name, description, {"type": kind}))
        yield str(status), response
