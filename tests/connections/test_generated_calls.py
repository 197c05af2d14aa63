"""What the OpenAPI document promises, held against the answers to generated calls.

SCHEMATHESIS_CASES=5000 makes that many; without it a few of each call.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

from accounts.models import ElectronicAddress
from connections.catalogue import create_gateway
from connections.models import Gateway
from tests.factories import AppFactory, MembershipFactory, UserFactory, connect, let_in
from tests.invoices.documents import invoice
from tests.software import Software, basic

pytest.importorskip("schemathesis")

CASES = int(os.environ.get("SCHEMATHESIS_CASES", "150"))


@pytest.fixture
def configuration(tmp_path):
    """Keys for every call: those of an accountancy with some of everything, and those of a gateway."""
    place = MembershipFactory(user__advanced=True, organisation__environment__accountant=True)
    AppFactory(name="Yuki")
    let_in(place.user)
    connection, pair = connect(place.user)
    organisation = connection.organisation
    ElectronicAddress.objects.create(organisation=organisation, value="0088:7300010000001")
    software = Software(pair, organisation)
    assert software.send(invoice(company="")).status_code in {201, 422}
    gateway = create_gateway(Gateway(name="Front door"), by=UserFactory(staff=True))
    text = f"""
headers = {{ Authorization = "{software.authorization}" }}
parameters = {{ "path.organisation" = "{organisation.organisation_id}" }}

# A cursor, a UBL document, a registration number have rules that JSON Schema cannot say.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "401", "403", "404", "409", "415", "422"]

[[operations]]
include-path = "/api/v1/introspect"
headers = {{ Authorization = "{basic(gateway.app_key, gateway.secret.reveal())}" }}
"""
    path = tmp_path / "schemathesis.toml"
    path.write_text(text)
    return path


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_every_answer_to_generated_calls_is_a_documented_one(live_server, configuration):
    document = Client().get("/api/v1/openapi.json").json()
    calls = sum(len(methods) for methods in document["paths"].values())

    run = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", configuration),
            *("run", f"{live_server.url}/api/v1/openapi.json", "--checks", "all"),
            *(
                "--phases",
                "examples,coverage,fuzzing",
                "--max-examples",
                str(max(CASES * 5 // (4 * calls), 5)),
            ),
            *("--seed", "1", "--no-color", "--suppress-health-check", "all", "--warnings", "off"),
        ],
        cwd=configuration.parent,
        env=os.environ | {"NO_PROXY": "*"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-20_000:]
    generated = re.search(r"([\d,]+) generated", run.stdout)[1]
    assert int(generated.replace(",", "")) >= CASES
