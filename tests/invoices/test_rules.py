"""The rules of EN 16931, where they are installed and switched on: who breaks one hears its number."""

import sys
from pathlib import Path

import pytest
from django.conf import settings as own

from connections.invoices import checks, rules
from connections.invoices.models import Document, Invoice
from portal.demo import story

SAMPLE = Path(own.BASE_DIR, "docs", "samples", "invoice.xml").read_bytes()
needs_rules = pytest.mark.skipif(not rules.installed(), reason="the extra is not installed")


def between_ours(xml):
    """The sample between the seller and the buyer of these tests."""
    xml = xml.replace(b'"0106">71234561', b'"0088">7300010000001')
    return xml.replace(b'"0106">72345672', b'"0192">987654325')


@needs_rules
def test_the_sample_of_the_docs_breaks_no_rule():
    assert rules.broken(SAMPLE) == []


@needs_rules
@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (b'<cbc:PayableAmount currencyID="EUR">178.48', b'<cbc:PayableAmount currencyID="EUR">9', "BR-CO-16"),
        (b"<cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>", b"", "BR-04"),
        (b"<cbc:DocumentCurrencyCode>EUR", b"<cbc:DocumentCurrencyCode>XXQ", "BR-CL-04"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_named(old, new, rule):
    assert old in SAMPLE

    assert rule in [broken.rule for broken in rules.broken(SAMPLE.replace(old, new))]


@needs_rules
def test_other_encodings_are_read_too():
    xml = SAMPLE.decode().replace('encoding="UTF-8"', 'encoding="UTF-16"').encode("utf-16")

    assert rules.broken(xml) == []


@needs_rules
@pytest.mark.django_db
def test_an_invoice_that_breaks_a_rule_is_refused_with_its_number(
    sellers_software, buyer, settings
):
    settings.INVOICE_RULES = True
    wrong = between_ours(SAMPLE).replace(b">178.48</cbc:PayableAmount", b">9</cbc:PayableAmount")

    refused, sent = sellers_software.send(wrong), sellers_software.send(between_ours(SAMPLE))

    assert (refused.status_code, refused.json()["code"]) == (422, "ERRXSL4000005")
    assert refused.json()["rules"] == ["BR-CO-16"]
    assert "BR-CO-16" in refused.json()["details"]
    assert (sent.status_code, Invoice.objects.count()) == (201, 1)


@needs_rules
@pytest.mark.slow
@pytest.mark.django_db
def test_the_demonstration_breaks_no_rule():
    story.tell()

    for document in Document.objects.all():
        assert rules.broken(bytes(document.xml)) == []


@pytest.mark.django_db
def test_switched_off_nothing_is_checked(sellers_software, buyer):
    wrong = between_ours(SAMPLE).replace(b">178.48</cbc:PayableAmount", b">9</cbc:PayableAmount")

    assert sellers_software.send(wrong).status_code == 201


@pytest.mark.parametrize(("wanted", "errors"), [(True, ["invoices.E001"]), (False, [])])
def test_switched_on_without_the_packages_the_portal_does_not_start(
    settings, monkeypatch, wanted, errors
):
    monkeypatch.setitem(sys.modules, "saxonche", None)
    settings.INVOICE_RULES = wanted

    assert [error.id for error in checks.rules_are_installed()] == errors
