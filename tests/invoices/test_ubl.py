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


def test_a_wrong_namespace_is_answered_with_the_right_one():
    with pytest.raises(ubl.NotUbl) as refused:
        ubl.read(b'<Invoice xmlns="urn:else"/>')

    namespace = "urn:oasis:names:specification:ubl:schema:xsd"
    assert str(refused.value) == (
        "The root element is {urn:else}Invoice, "
        f"not {{{namespace}:Invoice-2}}Invoice or {{{namespace}:CreditNote-2}}CreditNote."
    )


@given(st.binary(max_size=300))
def test_junk_is_refused_and_never_breaks(junk):
    with pytest.raises(ubl.NotUbl):
        ubl.read(junk)


def with_lines(extra):
    return invoice().replace(b"</Invoice>", extra.encode() + b"</Invoice>")


LINE = """<cac:InvoiceLine><cbc:InvoicedQuantity>2.50</cbc:InvoicedQuantity>
<cbc:LineExtensionAmount>100.00</cbc:LineExtensionAmount><cac:Item><cbc:Name>Flour</cbc:Name></cac:Item>
</cac:InvoiceLine>"""


def test_lines_are_read():
    contents = ubl.contents(with_lines(LINE))

    assert contents.lines == (ubl.Line("Flour", Decimal("2.5"), Decimal(100)),)


def test_lines_with_nothing_in_them_are_read_too():
    contents = ubl.contents(with_lines("<cac:InvoiceLine/>"))

    assert contents.lines == (ubl.Line("", None, None),)


@pytest.mark.parametrize("text", ["", "NaN", "1e999999", "x" * 99, "9" * 40, "\u0661"])
def test_a_number_that_is_none_is_left_out(text):
    line = LINE.replace("2.50", text).replace("100.00", text)

    assert ubl.contents(with_lines(line)).lines == (ubl.Line("Flour", None, None),)


def test_only_the_first_lines_are_read_and_all_are_counted():
    contents = ubl.contents(with_lines(LINE * 300))

    assert (len(contents.lines), contents.number_of_lines) == (200, 300)


def test_attachments_are_named_and_measured_and_not_opened():
    references = """<cac:AdditionalDocumentReference><cbc:ID>1</cbc:ID><cac:Attachment>
    <cbc:EmbeddedDocumentBinaryObject filename="a.pdf" mimeCode="application/pdf">aGVs
    bG8=</cbc:EmbeddedDocumentBinaryObject></cac:Attachment></cac:AdditionalDocumentReference>
    <cac:AdditionalDocumentReference><cbc:ID>2</cbc:ID><cac:Attachment><cac:ExternalReference/>
    </cac:Attachment></cac:AdditionalDocumentReference>
    <cac:AdditionalDocumentReference><cbc:ID>3</cbc:ID></cac:AdditionalDocumentReference>"""

    attachments = ubl.contents(with_lines(references)).attachments

    assert attachments == (ubl.Attachment("a.pdf", 5), ubl.Attachment("2", None))


@given(st.binary(max_size=300))
def test_contents_of_junk_are_empty(junk):
    assert ubl.contents(junk) == ubl.Contents()
