"""Whole invoices as they come from real packages pass through unchanged.

Ours lie in tests/data/invoices; INVOICES=folder takes those of another folder.
"""

import hashlib
import os
from pathlib import Path

import pytest

from connections.invoices import ubl
from tests.factories import connect, organisation_at
from tests.software import Software

FOLDER = Path(os.environ.get("INVOICES") or Path(__file__).parent.parent / "data" / "invoices")
DOCUMENTS = sorted(FOLDER.glob("*.xml"))


def software_of(party, known):
    """The software of the organisation at this electronic address, the same one for the same address."""
    address = party.addresses[0]
    if address not in known:
        connection, pair = connect(organisation=organisation_at(address))
        known[address] = Software(pair, connection.organisation)
    return known[address]


@pytest.mark.django_db
def test_ten_invoices_come_out_byte_for_byte():
    assert len(DOCUMENTS) >= 10
    software = {}
    for file in DOCUMENTS:
        xml = file.read_bytes()
        document = ubl.read(xml)
        seller = software_of(document.supplier, software)
        buyer = software_of(document.customer, software)

        sent = seller.send(xml, **{"Idempotency-Key": file.name})
        assert sent.status_code == 201, (file.name, sent.json())
        id = sent.json()["id"]
        waiting = [item["id"] for item in buyer.get("/inbox", delivery="ready").json()["items"]]
        fetched = buyer.get(f"/inbox/{id}").content

        assert waiting == [id]
        assert hashlib.sha256(fetched).digest() == hashlib.sha256(xml).digest()
        assert sent.json()["total"] == str(document.total)
        assert buyer.confirm(id).status_code == 200
