"""docs/operate.md and deploy/: what can be run here is run, the rest is held against what it names."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

ROOT = Path(settings.BASE_DIR)
TEXT = (ROOT / "docs/operate.md").read_text()
VARIABLE = re.compile(r"\b(?:PORTAL_[A-Z_]+|DATABASE_URL|CACHE_URL|PORT)\b")
SYSTEMD = shutil.which("systemd-analyze")


def blocks(mark):
    """The commands of the blocks that begin with ```sh and this mark."""
    found = re.findall(rf"```sh{mark}\n(.*?)```", TEXT, re.DOTALL)
    return [line for block in found for line in block.splitlines()]


def test_every_variable_of_the_settings_is_explained_and_no_other():
    of_settings = (ROOT / "portal/settings.py").read_text()
    docstring = of_settings.split('"""')[1]
    explained = set(VARIABLE.findall(TEXT.partition("## Variables")[2].partition("## How")[0]))

    assert set(VARIABLE.findall(docstring)) == explained
    assert settings.PORTAL_VARIABLES | {"PORT"} == explained


@pytest.mark.slow
def test_the_commands_without_root_run(tmp_path):
    environment = os.environ | {
        "PORTAL_DATA": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path}/portal.sqlite3",
    }
    commands = [shlex.split(line) for line in blocks("")]
    for python, *arguments in commands:
        assert python == ".venv/bin/python"
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert len(commands) == 4


def test_the_commands_for_root_name_what_there_is():
    commands = blocks(" root")
    for line in commands:
        subprocess.run(["/bin/sh", "-n", "-c", line], check=True)
    text = "\n".join(commands)

    for named in re.findall(r"deploy/\S+", text):
        assert list(ROOT.glob(named)), named
    known = set(get_commands())
    assert set(re.findall(r"^koppel (\S+)|manage\.py (\S+)", text, re.M)) <= {
        pair for name in known for pair in [(name, ""), ("", name)]
    }
    units = {unit.partition("@")[0] for unit in re.findall(r"koppel-[a-z]+@?", text)}
    assert units <= {
        path.name.partition(".")[0].rstrip("@") for path in (ROOT / "deploy/systemd").iterdir()
    } | {"koppel-"}


def test_the_example_of_settings_names_variables_that_exist():
    lines = (ROOT / "deploy/settings").read_text().splitlines()
    names = {line.partition("=")[0] for line in lines if not line.startswith("#")}

    assert names <= set(VARIABLE.findall((ROOT / "portal/settings.py").read_text()))


@pytest.mark.skipif(not SYSTEMD, reason="no systemd")
@pytest.mark.parametrize("unit", sorted(path.name for path in (ROOT / "deploy/systemd").iterdir()))
def test_systemd_takes_the_units_and_finds_them_closed(unit, tmp_path):
    for path in (ROOT / "deploy/systemd").iterdir():
        text = path.read_text().replace("/opt/koppel/current/.venv/bin/python", "/bin/true")
        (tmp_path / path.name).write_text(text)

    verified = analyze("verify", tmp_path / unit)
    assert (verified.returncode, verified.stderr) == (0, "")
    if unit.endswith(".service"):
        told = analyze("security", "--offline=true", "--threshold=15", tmp_path / unit)
        assert told.returncode == 0, told.stdout


def analyze(*arguments):
    return subprocess.run([SYSTEMD, *arguments], capture_output=True, text=True)


def test_the_composition_publishes_nginx_alone_and_holds_no_secret():
    composition = yaml.safe_load((ROOT / "compose.yaml").read_text())
    services = composition["services"]

    assert {name for name, it in services.items() if "ports" in it} == {"nginx"}
    assert set(services["database"]["networks"] + services["cache"]["networks"]) == {"inside"}
    assert composition["networks"]["inside"] == {"internal": True}
    for service in services.values():
        assert set(service.get("secrets", [])) <= set(composition["secrets"])
        for name, value in service.get("environment", {}).items():
            assert "PASSWORD" not in name or value.startswith("/run/secrets/")
            assert not name.startswith("PORTAL_") or VARIABLE.fullmatch(name)
    upstreams = set(re.findall(r"web[1-9]", " ".join(services)))
    named = re.findall(r"127\.0\.0\.1:800([1-9])", (ROOT / "deploy/nginx/koppel.conf").read_text())
    assert upstreams == {f"web{number}" for number in named}


def test_the_image_holds_what_runs_and_nothing_that_is_kept():
    text = (ROOT / "Containerfile").read_text()
    copied = re.findall(r"^COPY (?!--)(\S+) ", text, re.M)
    sent = (ROOT / ".containerignore").read_text()

    assert all((ROOT / name).exists() for name in copied)
    assert {f"!{name}" for name in copied} == set(re.findall(r"^!.*", sent, re.M))
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"benchmarks", "tests"}
    assert packages <= set(copied)
    assert sent == (ROOT / ".dockerignore").read_text()
    assert "\nUSER koppel\n" in text
    assert not {"var", "deploy", "tests", "."} & set(copied)
