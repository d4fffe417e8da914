"""Alpaca's published OpenAPI documents, asked about what the local broker answered.

Two questions: is an answer valid by its schema, and has it keys that the schema does not know? An
answer whose status the documents leave out is held to the common form of Alpaca's refusals.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.conformance.tap import Talk

FILES = ("trading-api.json", "market-data-api.json")
METHODS = ("get", "post", "put", "patch", "delete")
KINDS = ("application/json", "text/event-stream")
NOT_A_NAME = re.compile(r"\{[^}]+\}")
REFUSAL = {
    "type": "object",
    "required": ["message"],
    "properties": {"code": {"type": "integer"}, "message": {"type": "string", "minLength": 3}},
}
"""The form of every JSON refusal: facts 2.7 (the documents name no body for most of them)."""

FORMATS = FormatChecker(["uuid", "date"])


@FORMATS.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    """RFC 3339: a date, a T, a time and an offset."""
    if not isinstance(value, str):
        return True
    return "T" in value and datetime.fromisoformat(value).tzinfo is not None


@dataclass(frozen=True)
class Operation:
    """A method and a path template; `schemas` maps a status to a pointer to its JSON schema."""

    document: str
    method: str
    template: str
    schemas: dict[str, str | None]

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        parts = NOT_A_NAME.split(self.template)
        return re.compile("[^/]+".join(re.escape(part) for part in parts))


class Documents:
    """The documents of one folder."""

    def __init__(self, folder: Path) -> None:
        self._roots = {name: json.loads((folder / name).read_text("utf-8")) for name in FILES}
        resources = [
            (f"urn:{name}", DRAFT202012.create_resource(root)) for name, root in self._roots.items()
        ]
        self._registry = Registry().with_resources(resources)
        self._refusal = Draft202012Validator(REFUSAL)
        self._validators: dict[str, Draft202012Validator] = {}
        self.operations = sorted(
            (
                Operation(
                    name, method.upper(), template, dict(self._schemas(name, template, method))
                )
                for name, root in self._roots.items()
                for template, methods in root["paths"].items()
                for method in methods
                if method in METHODS
            ),
            key=lambda operation: ("{" in operation.template, operation.template),
        )

    def operation(self, method: str, path: str) -> Operation | None:
        """Return the operation that a request asks for; None where the documents have none."""
        found = (o for o in self.operations if o.method == method and o.pattern.fullmatch(path))
        return next(found, None)

    def deviations(self, talk: Talk) -> Iterator[str]:
        """Yield, one short line each, where the answer is not as its operation is documented."""
        operation = self.operation(talk.method, talk.path)
        name = f"{operation.name if operation else talk.method + ' ' + talk.path} {talk.status}"
        kind = talk.answer.headers.get("content-type", "") if talk.answer else ""
        if talk.answer is None:
            yield f"{name}: no answer"
            return
        if not talk.answer.headers.get("x-request-id"):
            yield f"{name}: no X-Request-ID"
        if talk.status == 204:
            if talk.answer.body:
                yield f"{name}: 204 with a body"
            return
        if kind.split(";")[0] not in KINDS:
            yield f"{name}: {kind.split(';')[0]}"
            return
        if operation is None and talk.status < 400:
            yield f"{name}: not documented"
            return
        pointer = operation.schemas.get(str(talk.status)) if operation else None
        if pointer is None and talk.status < 400:
            yield f"{name}: this status is not documented"
            return
        for text in self._found(operation.document if operation else "", pointer, talk.told):
            yield f"{name}: {text}"

    def about(self, document: str, pointer: str, value: object) -> Iterator[str]:
        """Yield where a value is not as the schema at a pointer has it."""
        yield from self._found(document, pointer, value)

    def _found(self, document: str, pointer: str | None, value: object) -> Iterator[str]:
        if pointer is None:
            yield from {_worded(error) for error in self._refusal.iter_errors(value)}
            return
        reference = f"urn:{document}#{pointer}"
        validator = self._validators.get(reference)
        if validator is None:
            validator = self._validators[reference] = Draft202012Validator(
                {"$ref": reference},
                registry=self._registry,
                format_checker=FORMATS,
            )
        yield from {_worded(error) for error in validator.iter_errors(value)}
        yield from set(self._strangers(document, [{"$ref": f"#{pointer}"}], value, "$"))

    def _strangers(
        self, document: str, schemas: list[dict[str, Any]], value: object, at: str
    ) -> Iterator[str]:
        """Yield the keys that no branch of the schemas knows."""
        branches = [branch for schema in schemas for branch in self._branches(document, schema)]
        if isinstance(value, list):
            items = [branch["items"] for branch in branches if "items" in branch]
            for item in value:
                yield from self._strangers(document, items, item, f"{at}[]")
        if not isinstance(value, dict):
            return
        is_open = [b["additionalProperties"] for b in branches if b.get("additionalProperties")]
        known: dict[str, list[dict[str, Any]]] = {}
        for branch in branches:
            for key, schema in branch.get("properties", {}).items():
                known.setdefault(key, []).append(schema)
        for key, inner in value.items():
            if key in known:
                yield from self._strangers(document, known[key], inner, f"{at}.{key}")
            elif is_open:
                wider = [schema for schema in is_open if isinstance(schema, dict)]
                yield from self._strangers(document, wider, inner, f"{at}.*")
            elif known:
                yield f"{at}.{key} is not in the schema"

    def _branches(self, document: str, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield a schema with all that it refers to and is made of."""
        if "$ref" in schema:
            yield from self._branches(document, self._at(document, schema["$ref"]))
        yield schema
        for word in ("allOf", "anyOf", "oneOf"):
            for inner in schema.get(word, ()):
                yield from self._branches(document, inner)

    def _at(self, document: str, reference: str) -> dict[str, Any]:
        node: Any = self._roots[document]
        for part in reference.removeprefix("#/").split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
        return node

    def _schemas(
        self, document: str, template: str, method: str
    ) -> Iterator[tuple[str, str | None]]:
        """Yield each documented status and a pointer to the schema of its JSON body, if any."""
        path = template.replace("~", "~0").replace("/", "~1")
        answers = self._roots[document]["paths"][template][method]["responses"]
        for status, answer in answers.items():
            pointer = f"/paths/{path}/{method}/responses/{status}"
            if "$ref" in answer:
                pointer = answer["$ref"].removeprefix("#")
                answer = self._at(document, answer["$ref"])
            kinds = [kind for kind, how in answer.get("content", {}).items() if "schema" in how]
            kind = next((kind for kind in KINDS if kind in kinds), "").replace("/", "~1")
            yield status, f"{pointer}/content/{kind}/schema" if kind else None


def _worded(error: Any) -> str:
    """Say what is wrong and where, without the values and places that differ from run to run."""
    at = "".join("[]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    if error.validator in ("anyOf", "oneOf"):
        has_several = "valid under each" in error.message
        return (
            f"${at} fits {'several branches' if has_several else 'no branch'} of {error.validator}"
        )
    if error.validator in ("format", "pattern", "enum"):
        return f"${at} is no {error.validator} {str(error.validator_value)[:60]}"
    if error.validator == "required":
        return f"${at} {error.message}"
    return f"${at} is no {error.validator_value}"
