from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.invoices import ubl
from tests.invoices.documents import invoice

BOMB = b"""<!DOCTYPE l [
<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>"""


def test_an_invoice_is_read():
    document = ubl.read(invoice(number="A-1", total="1250.5"))

    assert (document.kind, document.number, document.issue_date) == (
        "Invoice",
        "A-1",
        date(2026, 11, 20),
    )
    assert (document.currency, document.total) == ("EUR", Decimal("1250.50"))
    assert document.supplier.addresses == ("0088:7300010000001", "0106:71234561")
    assert document.supplier.registration_number == "71234561"


def test_a_credit_note_is_read():
    assert ubl.read(invoice(kind="CreditNote")).kind == "CreditNote"


@pytest.mark.parametrize(
    ("xml", "refusal"),
    [
        (b"", ubl.NotXml),
        (b"not xml", ubl.NotXml),
        (b"<a>", ubl.NotXml),
        (b"\xff\xfe\x00", ubl.NotXml),
        (b"<a>" * 200_000 + b"</a>" * 200_000, ubl.NotXml),
        (b"<!DOCTYPE a><a/>", ubl.HasDoctype),
        (BOMB + b"<a>&c;</a>", ubl.HasDoctype),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', ubl.HasDoctype),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "http://localhost:1/">]><a>&x;</a>', ubl.HasDoctype),
        ("<!DOCTYPE a><a/>".encode("utf-16"), ubl.HasDoctype),
        (b"<Invoice/>", ubl.NotUbl),
        (invoice().replace(b"Invoice-2", b"Invoice-3"), ubl.NotUbl),
        (invoice(number=""), ubl.ElementMissing),
        (invoice(number="x" * 101), ubl.ElementMissing),
        (invoice(issued="20 November"), ubl.ElementMissing),
        (invoice(total="1e9999"), ubl.ElementMissing),
        (invoice(total="9" * 39), ubl.ElementMissing),
        (invoice(total="NaN"), ubl.ElementMissing),
        (invoice(currency="eur"), ubl.ElementMissing),
        (invoice().replace(b"AccountingCustomerParty", b"AnotherParty"), ubl.ElementMissing),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else f"{value[:24]!r}",
)
def test_what_is_no_invoice_is_refused(xml, refusal):
    with pytest.raises(ubl.NotUbl) as refused:
        ubl.read(xml)

    assert type(refused.value) is refusal


@given(st.binary(max_size=300))
def test_junk_is_refused_and_never_breaks(junk):
    with pytest.raises(ubl.NotUbl):
        ubl.read(junk)
