"""The page about the HTTP API, for the makers of software: made from its own tables."""

import json
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

EXAMPLES = {
    "{organisation}": "KPNL10017",
    "{party}": "KPNL10017",
    "{id}": "2c6f0b1e-6a0f-4d0a-9d57-0b7c3f7f9a51",
}
QUERIES = {"GetParties": "?q=KPNL10017", "verify": "?function=SendDocument&organisation=KPNL10017"}
FORMS = {
    "token": {"grant_type": "client_credentials"},
    "revokeToken": {"token": "kpt_…"},
    "introspect": {"token": "kpt_…"},
}
REQUEST = {
    "client_name": "Bakkerij De Molen",
    "email": "sanne@demolen.example",
    "registration_number": "71234561",
    "app": "Yuki",
}
OBJECTS = {
    "ReportAdministration": {"name": "Bakery 2026"},
    "RequestAppIntegration": REQUEST,
    "SetInboxDocumentStatus": {"status": "paid"},
}
WITHOUT_FUNCTION = ["me", "ReportAdministration", "token", "revokeToken", "verify", "introspect"]


@dataclass(frozen=True)
class Call:
    """One method at one address, with an example for a shell and one for Python."""

    name: str
    method: str
    path: str
    about: list[str]  # paragraphs
    parameters: list[dict]
    answer: list[str]

    @property
    def id(self) -> str:
        return f"call-{self.name}"

    @property
    def address(self) -> str:
        address = settings.PORTAL_BASE_URL + self.path
        for name, example in EXAMPLES.items():
            address = address.replace(name, example)
        return address + QUERIES.get(self.name, "")

    @property
    def headers(self) -> dict[str, str]:
        if self.name == "SendDocument":
            return {"Content-Type": "application/xml", "Idempotency-Key": "2026-0042"}
        return {}

    @property
    def curl(self) -> str:
        lines = ['curl --user "$APP_KEY:$SECRET"']
        lines += [f'--header "{name}: {value}"' for name, value in self.headers.items()]
        if self.name == "SendDocument":
            lines.append("--data-binary @invoice.xml")
        elif self.name in OBJECTS:
            lines.append('--header "Content-Type: application/json"')
            lines += [f"--request {self.method}"] if self.method != "POST" else []
            lines.append(f"--data '{json.dumps(OBJECTS[self.name])}'")
        elif self.name in FORMS:
            lines += [f'--data "{name}={value}"' for name, value in FORMS[self.name].items()]
        elif self.method != "GET":
            lines.append(f"--request {self.method}")
        return " \\\n  ".join([*lines, f'"{self.address}"'])

    @property
    def python(self) -> str:
        lines = [f'"{self.address}"', "auth=(APP_KEY, SECRET)"]
        lines += [f"headers={json.dumps(self.headers)}"] if self.headers else []
        if self.name == "SendDocument":
            lines.append('data=Path("invoice.xml").read_bytes()')
        elif self.name in OBJECTS:
            lines.append(f"json={json.dumps(OBJECTS[self.name])}")
        elif self.name in FORMS:
            lines.append(f"data={json.dumps(FORMS[self.name], ensure_ascii=False)}")
        inside = "".join(f"    {line},\n" for line in lines)
        return f"answer = requests.{self.method.lower()}(\n{inside})"


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
        "others": _others(),
        "errors": [(error, _with_code(error.mend)) for error in ERRORS.values()],
        "api_root": f"{settings.PORTAL_BASE_URL}/api/v1",
    }
    return render(request, "connections/api_docs.html", context)


@cache
def _calls() -> dict[str, Call]:
    """Every call of the API by its operationId."""
    document = api.get_openapi_schema(path_prefix="/api/v1/")
    return {
        operation["operationId"]: Call(
            operation["operationId"],
            method.upper(),
            path,
            [
                _with_code(" ".join(text.split()))
                for text in operation.get("description", "").split("\n\n")
            ],
            [
                parameter
                for parameter in operation.get("parameters", [])
                if parameter["in"] == "query"
            ],
            _fields(operation, document["components"]["schemas"]),
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def _entries():
    return [
        Entry(
            function,
            [
                call
                for name, call in _calls().items()
                if name in (function.name, f"{function.name}Confirm")
            ],
        )
        for function in FUNCTIONS.values()
    ]


def _others():
    return [_calls()[name] for name in WITHOUT_FUNCTION]


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
