"""Reading a UBL 2.1 Invoice or CreditNote (Peppol BIS Billing 3) safely. Pure.

No DTD, no entities, no network, no huge trees: a document that asks for any of them is refused.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from lxml import etree

CAC = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
CBC = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
_NS = {"cac": CAC, "cbc": CBC}
_KINDS = {
    f"{{urn:oasis:names:specification:ubl:schema:xsd:{kind}-2}}{kind}": kind
    for kind in ("Invoice", "CreditNote")
}
MOST_LINES, MOST_ATTACHMENTS = 200, 50
_ROOTS = " or ".join(_KINDS)
_LARGEST_TOTAL = Decimal(10) ** 16


class NotUbl(Exception):
    """The document cannot be read as an invoice; the text tells the maker of the software why."""


class NotXml(NotUbl):
    pass


class HasDoctype(NotUbl):
    pass


class ElementMissing(NotUbl):
    pass


@dataclass(frozen=True)
class Party:
    name: str
    addresses: tuple[str, ...]  # electronic addresses, "scheme:identifier", the endpoint first
    country: str
    registration_number: str  # of the legal entity; "" when there is none


@dataclass(frozen=True)
class Document:
    """What the portal reads of an invoice; the document itself is kept and handed on byte for byte."""

    kind: str  # "Invoice" or "CreditNote"
    number: str
    issue_date: date
    currency: str
    total: Decimal
    supplier: Party
    customer: Party


@dataclass(frozen=True)
class Line:
    name: str
    quantity: Decimal | None
    amount: Decimal | None


@dataclass(frozen=True)
class Attachment:
    name: str
    size: int | None  # bytes; None when it is kept elsewhere


@dataclass(frozen=True)
class Contents:
    """What a person sees of an invoice beyond its head; whatever is missing or unreadable is left out."""

    due_date: date | None = None
    net: Decimal | None = None
    tax: Decimal | None = None
    lines: tuple[Line, ...] = ()
    number_of_lines: int = 0
    attachments: tuple[Attachment, ...] = ()


def contents(xml: bytes) -> Contents:
    """Read the lines (the first MOST_LINES), the sums and the names of attachments. Never raises."""
    try:
        root = _parse(xml)
    except NotUbl:
        return Contents()
    lines = root.findall("cac:InvoiceLine", _NS) or root.findall("cac:CreditNoteLine", _NS)
    due = root.findtext("cbc:DueDate", None, _NS) or root.findtext(
        "cac:PaymentMeans/cbc:PaymentDueDate", None, _NS
    )
    attached = root.findall("cac:AdditionalDocumentReference", _NS)
    return Contents(
        due_date=_day(due),
        net=_number(root, "cac:LegalMonetaryTotal/cbc:TaxExclusiveAmount"),
        tax=_number(root, "cac:TaxTotal/cbc:TaxAmount"),
        lines=tuple(map(_line, lines[:MOST_LINES])),
        number_of_lines=len(lines),
        attachments=tuple(filter(None, map(_attachment, attached)))[:MOST_ATTACHMENTS],
    )


def read(xml: bytes) -> Document:
    """Read the bytes of a UBL document. Raises NotXml, HasDoctype, NotUbl and ElementMissing."""
    root = _parse(xml)
    kind = _KINDS.get(root.tag)
    if kind is None:
        raise NotUbl(f"The root element is {root.tag[:200]}, not {_ROOTS}.")
    return Document(
        kind=kind,
        number=_text(root, "cbc:ID", longest=100),
        issue_date=_date(root, "cbc:IssueDate"),
        currency=_currency(root),
        total=_amount(root, "cac:LegalMonetaryTotal/cbc:PayableAmount"),
        supplier=_party(root, "cac:AccountingSupplierParty/cac:Party"),
        customer=_party(root, "cac:AccountingCustomerParty/cac:Party"),
    )


def _parse(xml):
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
    )
    try:
        root = etree.fromstring(xml, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        if b"<!DOCTYPE" in xml[:2000]:
            raise HasDoctype("Entities and document types are not read.") from None
        raise NotXml(str(error)[:300]) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise HasDoctype("Entities and document types are not read.")
    return root


def _find(parent, path):
    found = parent.find(path, _NS)
    if found is None:
        raise ElementMissing(f"{path} is missing.")
    return found


def _text(parent, path, *, longest):
    text = " ".join((_find(parent, path).text or "").split())
    if not text:
        raise ElementMissing(f"{path} is empty.")
    if len(text) > longest:
        raise ElementMissing(f"{path} is longer than {longest} characters.")
    return text


def _date(parent, path):
    text = _text(parent, path, longest=30)
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise ElementMissing(f"{path} is not a date such as 2026-11-21.") from None


def _currency(root):
    text = _text(root, "cbc:DocumentCurrencyCode", longest=3)
    if not re.fullmatch(r"[A-Z]{3}", text):
        raise ElementMissing("cbc:DocumentCurrencyCode is not a currency such as EUR.")
    return text


def _amount(parent, path):
    text = _text(parent, path, longest=40)
    if not re.fullmatch(r"-?\d+(\.\d+)?", text, re.ASCII):
        raise ElementMissing(f"{path} is not an amount such as 1250.00.")
    try:
        amount = Decimal(text).quantize(Decimal("0.01"))
    except InvalidOperation:
        raise ElementMissing(f"{path} is too large.") from None
    if abs(amount) >= _LARGEST_TOTAL:
        raise ElementMissing(f"{path} is too large.")
    return amount


def _party(root, path):
    party = _find(root, path)
    legal = party.find("cac:PartyLegalEntity", _NS)
    name = legal.findtext("cbc:RegistrationName", "", _NS) if legal is not None else ""
    name = name or party.findtext("cac:PartyName/cbc:Name", "", _NS)
    company = legal.find("cbc:CompanyID", _NS) if legal is not None else None
    ids = [party.find("cbc:EndpointID", _NS), company]
    return Party(
        name=" ".join(name.split())[:200],
        addresses=tuple(dict.fromkeys(filter(None, map(_address, ids)))),
        country=party.findtext(
            "cac:PostalAddress/cac:Country/cbc:IdentificationCode", "", _NS
        ).strip()[:2],
        registration_number="".join((company.text or "").split())[:20]
        if company is not None
        else "",
    )


def _address(element):
    if element is None:
        return ""
    scheme, value = element.get("schemeID", ""), (element.text or "").strip()
    return f"{scheme}:{value}"[:100] if scheme and value else ""


def _line(element):
    item = element.find("cac:Item", _NS)
    name = (
        _words(item, "cbc:Name") or _words(item, "cbc:Description") or _words(element, "cbc:Note")
    )
    quantity = _number(element, "cbc:InvoicedQuantity")
    return Line(
        name=name,
        quantity=_number(element, "cbc:CreditedQuantity") if quantity is None else quantity,
        amount=_number(element, "cbc:LineExtensionAmount"),
    )


def _attachment(reference):
    """What is attached, by the length of its text alone: nothing is decoded. None for a mere reference."""
    attachment = reference.find("cac:Attachment", _NS)
    if attachment is None:
        return None
    binary = attachment.find("cbc:EmbeddedDocumentBinaryObject", _NS)
    named = (binary.get("filename") or "") if binary is not None else ""
    name = " ".join(named.split()) or _words(reference, "cbc:DocumentDescription")
    size = None
    if binary is not None:
        coded = "".join((binary.text or "").split())
        size = len(coded) * 3 // 4 - coded[-2:].count("=")
    return Attachment(name=(name or _words(reference, "cbc:ID"))[:200], size=size)


def _words(parent, path):
    text = parent.findtext(path, "", _NS) if parent is not None else ""
    return " ".join(text.split())[:300]


def _number(parent, path):
    """A number as plain digits, without zeros that say nothing; None for anything else."""
    text = (parent.findtext(path, "", _NS) or "").strip()
    if len(text) > 20 or not re.fullmatch(r"-?\d+(\.\d+)?", text, re.ASCII):
        return None
    number = Decimal(text)
    return number.quantize(Decimal(1)) if number == number.to_integral() else number.normalize()


def _day(text):
    try:
        return date.fromisoformat((text or "").strip()[:10])
    except ValueError:
        return None
