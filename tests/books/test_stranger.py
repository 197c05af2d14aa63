"""Koppel Books knows of the portal what the documentation says, and is there only where it is wanted."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

HERE = Path(settings.BASE_DIR) / "connections" / "books"
FILES = sorted(HERE.rglob("*.py"))
ALLOWED = sys.stdlib_module_names | {"django", "httpx", "cryptography"}


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_imports_django_httpx_cryptography_and_itself(path):
    foreign = [
        name
        for name in imports_of(path)
        if name.split(".")[0] not in ALLOWED and not name.startswith("connections.books")
    ]

    assert foreign == []


@pytest.mark.parametrize("name", ["paste", "series"])
def test_what_only_computes_needs_python_alone(name):
    assert set(imports_of(HERE / f"{name}.py")) <= sys.stdlib_module_names


def test_it_asks_the_database_for_its_own_tables_only():
    for path in FILES:
        assert "cursor(" not in path.read_text()
        assert "get_model" not in path.read_text()


@pytest.mark.parametrize(("wanted", "found"), [({}, "404"), ({"PORTAL_BOOKS": "1"}, "200")])
def test_it_is_there_only_where_it_is_switched_on(tmp_path, wanted, found):
    program = (
        "import django; django.setup()\n"
        "from django.test import Client\n"
        "print(Client().get('/books/secret/', headers={'host': 'localhost'}).status_code)"
    )
    environment = (
        os.environ
        | wanted
        | {
            "PORTAL_DATA": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": "tests.served_settings",
        }
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == found
    assert (tmp_path / "secrets" / "books_key").exists() == (found == "200")
