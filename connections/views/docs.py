"""The page about the HTTP API, for the makers of software: made from its own tables."""

from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.views.decorators.http import require_safe

from accounts.access import public_page
from connections.api import api
from connections.errors import ERRORS
from connections.functions import FUNCTIONS, ApiFunction

EXAMPLES = {"{organisation}": "KPNL10017", "{id}": "2c6f0b1e-6a0f-4d0a-9d57-0b7c3f7f9a51"}


@dataclass(frozen=True)
class Call:
    """One method at one address."""

    name: str
    method: str
    path: str
    about: list[str]  # paragraphs
    parameters: list[dict]
    answer: list[str]

    @property
    def curl(self) -> str:
        """The call as one line for a shell."""
        address = settings.PORTAL_BASE_URL + self.path
        for name, example in EXAMPLES.items():
            address = address.replace(name, example)
        lines = ['curl --user "$APP_KEY:$SECRET"']
        if self.path.endswith("/outbox") and self.method == "POST":
            lines += [
                '--header "Content-Type: application/xml"',
                '--header "Idempotency-Key: 2026-0042"',
            ]
            lines += ["--data-binary @invoice.xml"]
        elif self.method != "GET":
            lines += [f"--request {self.method}"]
        return " \\\n  ".join([*lines, address])


@dataclass(frozen=True)
class Entry:
    """An API function with its calls; without any, its call comes later."""

    function: ApiFunction
    calls: list[Call]


@public_page
@require_safe
def api_docs(request):
    context = {
        "entries": _entries(),
        "errors": [(error, _with_code(error.mend)) for error in ERRORS.values()],
        "api_root": f"{settings.PORTAL_BASE_URL}/api/v1",
    }
    return render(request, "connections/api_docs.html", context)


@cache
def _entries():
    document = api.get_openapi_schema(path_prefix="/api/v1/")
    return [Entry(function, _calls_of(function, document)) for function in FUNCTIONS.values()]


def _calls_of(function, document):
    return [
        Call(
            f"call-{operation['operationId']}",
            method.upper(),
            path,
            [" ".join(text.split()) for text in operation.get("description", "").split("\n\n")],
            [
                parameter
                for parameter in operation.get("parameters", [])
                if parameter["in"] == "query"
            ],
            _fields(operation, document["components"]["schemas"]),
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation["operationId"] in (function.name, f"{function.name}Confirm")
    ]


def _fields(operation, schemas):
    """The names of the fields of a good answer; none where it is no JSON."""
    good = next(
        (answer for status, answer in operation["responses"].items() if int(status) < 300), {}
    )
    schema = good.get("content", {}).get("application/json", {}).get("schema", {})
    schema = schema.get("items", schema)
    return list(schemas.get(schema.get("$ref", "").rpartition("/")[2], {}).get("properties", {}))


def _with_code(text):
    """What stands between backticks as code."""
    parts = enumerate(text.split("`"))
    return format_html_join(
        "",
        "{}",
        ((format_html("<code>{}</code>", part) if place % 2 else part,) for place, part in parts),
    )
