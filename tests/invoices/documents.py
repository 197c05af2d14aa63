"""UBL documents for tests, as short as the reader allows."""

NAMESPACE = "urn:oasis:names:specification:ubl:schema:xsd"

_PARTY = """<cac:{role}><cac:Party>
  <cbc:EndpointID schemeID="{scheme}">{identifier}</cbc:EndpointID>
  <cac:PartyLegalEntity><cbc:RegistrationName>{name}</cbc:RegistrationName>{company}</cac:PartyLegalEntity>
</cac:Party></cac:{role}>"""


def invoice(
    *,
    kind="Invoice",
    number="2026-1",
    issued="2026-11-20",
    currency="EUR",
    total="121.00",
    supplier="0088:7300010000001",
    customer="0192:987654325",
    company='<cbc:CompanyID schemeID="0106">71234561</cbc:CompanyID>',
):
    """The bytes of a document; `supplier` and `customer` are electronic addresses."""
    parties = "".join(
        _PARTY.format(
            role=role,
            scheme=address.partition(":")[0],
            identifier=address.partition(":")[2],
            name=name,
            company=company if role == "AccountingSupplierParty" else "",
        )
        for role, address, name in (
            ("AccountingSupplierParty", supplier, "The supplier"),
            ("AccountingCustomerParty", customer, "The customer"),
        )
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<{kind} xmlns="{NAMESPACE}:{kind}-2" xmlns:cac="{NAMESPACE}:CommonAggregateComponents-2"
 xmlns:cbc="{NAMESPACE}:CommonBasicComponents-2">
<cbc:ID>{number}</cbc:ID><cbc:IssueDate>{issued}</cbc:IssueDate>
<cbc:DocumentCurrencyCode>{currency}</cbc:DocumentCurrencyCode>
{parties}
<cac:LegalMonetaryTotal>
<cbc:PayableAmount currencyID="{currency}">{total}</cbc:PayableAmount>
</cac:LegalMonetaryTotal>
</{kind}>""".encode()
