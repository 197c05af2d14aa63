"""Sample invoices of the demonstration, in UBL 2.1 (Peppol BIS Billing 3), written by us."""

from datetime import date, timedelta
from decimal import Decimal
from xml.sax.saxutils import escape

from accounts.models import Organisation

VAT = Decimal("0.21")


def write(
    *, sender: Organisation, receiver: Organisation, number: str, issued: date, lines
) -> bytes:
    """Write the invoice `number` of `sender` to `receiver`; `lines` are pairs of name and euros."""
    net = sum((Decimal(amount) for _name, amount in lines), Decimal("0.00"))
    tax = (net * VAT).quantize(Decimal("0.01"))
    parts = {
        "number": escape(number),
        "issued": issued.isoformat(),
        "due": (issued + timedelta(days=30)).isoformat(),
        "supplier": _party("AccountingSupplierParty", sender),
        "customer": _party("AccountingCustomerParty", receiver),
        "lines": "".join(_line(place, *line) for place, line in enumerate(lines, 1)),
        "net": net,
        "tax": tax,
        "total": net + tax,
    }
    return _INVOICE.format(**parts).encode()


def _party(role, organisation):
    scheme, identifier = organisation.addresses.earliest("pk").value.split(":", 1)
    return _PARTY.format(
        role=role,
        scheme=scheme,
        identifier=escape(identifier),
        name=escape(organisation.name),
        country=organisation.country,
        registration=escape(organisation.registration_number),
    )


def _line(place, name, amount):
    return _LINE.format(
        place=place, name=escape(name), amount=Decimal(amount).quantize(Decimal("0.01"))
    )


_PARTY = """  <cac:{role}>
    <cac:Party>
      <cbc:EndpointID schemeID="{scheme}">{identifier}</cbc:EndpointID>
      <cac:PostalAddress><cac:Country><cbc:IdentificationCode>{country}</cbc:IdentificationCode></cac:Country></cac:PostalAddress>
      <cac:PartyTaxScheme><cbc:CompanyID>NL0{registration}B01</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>
      <cac:PartyLegalEntity>
        <cbc:RegistrationName>{name}</cbc:RegistrationName>
        <cbc:CompanyID schemeID="{scheme}">{registration}</cbc:CompanyID>
      </cac:PartyLegalEntity>
    </cac:Party>
  </cac:{role}>
"""

_LINE = """  <cac:InvoiceLine>
    <cbc:ID>{place}</cbc:ID>
    <cbc:InvoicedQuantity unitCode="C62">1</cbc:InvoicedQuantity>
    <cbc:LineExtensionAmount currencyID="EUR">{amount}</cbc:LineExtensionAmount>
    <cac:Item>
      <cbc:Name>{name}</cbc:Name>
      <cac:ClassifiedTaxCategory>
        <cbc:ID>S</cbc:ID><cbc:Percent>21</cbc:Percent><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>
      </cac:ClassifiedTaxCategory>
    </cac:Item>
    <cac:Price><cbc:PriceAmount currencyID="EUR">{amount}</cbc:PriceAmount></cac:Price>
  </cac:InvoiceLine>
"""

_INVOICE = """<?xml version="1.0" encoding="UTF-8"?>
<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
         xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
         xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
  <cbc:CustomizationID>urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0</cbc:CustomizationID>
  <cbc:ProfileID>urn:fdc:peppol.eu:2017:poacc:billing:01:1.0</cbc:ProfileID>
  <cbc:ID>{number}</cbc:ID>
  <cbc:IssueDate>{issued}</cbc:IssueDate>
  <cbc:DueDate>{due}</cbc:DueDate>
  <cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>
  <cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
  <cbc:BuyerReference>{number}</cbc:BuyerReference>
{supplier}{customer}  <cac:TaxTotal>
    <cbc:TaxAmount currencyID="EUR">{tax}</cbc:TaxAmount>
    <cac:TaxSubtotal>
      <cbc:TaxableAmount currencyID="EUR">{net}</cbc:TaxableAmount>
      <cbc:TaxAmount currencyID="EUR">{tax}</cbc:TaxAmount>
      <cac:TaxCategory>
        <cbc:ID>S</cbc:ID><cbc:Percent>21</cbc:Percent><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>
      </cac:TaxCategory>
    </cac:TaxSubtotal>
  </cac:TaxTotal>
  <cac:LegalMonetaryTotal>
    <cbc:LineExtensionAmount currencyID="EUR">{net}</cbc:LineExtensionAmount>
    <cbc:TaxExclusiveAmount currencyID="EUR">{net}</cbc:TaxExclusiveAmount>
    <cbc:TaxInclusiveAmount currencyID="EUR">{total}</cbc:TaxInclusiveAmount>
    <cbc:PayableAmount currencyID="EUR">{total}</cbc:PayableAmount>
  </cac:LegalMonetaryTotal>
{lines}</Invoice>
"""
