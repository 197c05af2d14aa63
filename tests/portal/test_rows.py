"""Rows are templates that are filled in: what they print is what the template alone would have printed."""

import uuid

import pytest
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import translation
from django.utils.safestring import mark_safe

from connections.invoices.models import Delivery, Invoice, Status
from portal.rows import Row, fill

KIND = {
    "is_received": True,
    "of_one_organisation": False,
    "can_be_ticked": True,
    "kind": Invoice.Kind.CREDIT_NOTE,
    "status": Status.PAID,
    "delivery": Delivery.READY,
}
TEXTS = {
    "uuid": uuid.UUID(int=7),
    "number": "100 % <b>&\"'%(here)s",
    "issued": "1 May 2026",
    "currency": "EUR",
    "total": "1,234.00",
    "arrived": mark_safe("<time>now</time>"),
    "here": "Łódź & Zoon",
    "organisation_id": "KPNL10001",
    "there": "</td><script>alert(1)</script>",
}


@pytest.mark.parametrize("language", ["en", "nl"])
def test_a_row_is_what_its_template_prints(language):
    with translation.override(language):
        alone = render_to_string("invoices/_row.html", KIND | TEXTS)

        assert fill("invoices/_row.html", [Row(KIND, TEXTS)] * 2) == alone * 2


def test_each_row_has_its_own_texts():
    other = TEXTS | {"number": "Z-2", "uuid": uuid.UUID(int=9)}

    first, second = fill("invoices/_row.html", [Row(KIND, TEXTS), Row(KIND, other)]).split("</tr>")[
        :2
    ]

    assert str(uuid.UUID(int=7)) in first
    assert "Z-2" not in first
    assert str(uuid.UUID(int=9)) in second
    assert "Z-2" in second


def test_numbers_stand_in_addresses():
    texts = {
        "name": "Zwaan",
        "organisation_id": "KPNL10001",
        "uuid": uuid.UUID(int=3),
        "number": 12,
    }
    kind = {"state": None, "leads_to": "connection", "app": "Yuki", "client": "Zwaan"}

    row = fill("connections/_cell.html", [Row(kind, texts)])

    assert 'href="/organisations/KPNL10001/connections/12/"' in row


def test_a_template_cannot_ask_about_a_text():
    with pytest.raises(TypeError, match="belongs to its kind"):
        fill("components/_unread.html", [Row({}, {"unread": "3"})])


def test_a_page_without_a_person_has_the_choice_of_language():
    page = render_to_string("400.html", {}, RequestFactory().get("/somewhere/?a=1&b=2"))

    assert 'name="next" value="/somewhere/?a=1&amp;b=2"' in page
