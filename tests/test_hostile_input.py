"""Whatever is typed into addresses and forms: an answer, never a 500, on every database."""

import pytest

from tests.test_architecture import House, logged_in, names, our_house

HOSTILE = [
    "a\0b",
    "'; DROP TABLE x; --",
    "{{ 7 }}<script>alert(1)</script>",
    "9" * 40,
    "-1",
    "١٢\u202e\ufeff\U0001f4a3",
    "x" * 20_000,
    "2026-02-31",
    "9999-12-31T23:59:59Z",
]
FIELDS = [
    "q", "status", "after", "kind", "app", "action", "person", "organisation", "from", "to", "delivery",
    "next", "name", "access", "functions", "administration", "op_id", "email", "role", "organisations",
    "first_name", "last_name", "password", "language", "country", "registration_number", "logo", "invoices",
]  # fmt: skip


@pytest.fixture
def house(db) -> House:
    return our_house()


@pytest.mark.parametrize("name", names("public", "personal", "environment", "organisation"))
def test_hostile_input_gets_an_answer(house, name):
    if name in {"live", "ready"}:
        return
    member = logged_in(house.member)
    address = house.address(name)
    for value in HOSTILE:
        everywhere = dict.fromkeys(FIELDS, value)

        answers = [member.get(address, everywhere), member.post(address, everywhere)]

        assert max(answer.status_code for answer in answers) < 500, value


@pytest.mark.parametrize("name", names("environment", "organisation"))
@pytest.mark.parametrize("number", [0, 2**31, 2**63, 2**70])
def test_numbers_out_of_range_are_404(house, name, number):
    if not {"pk", "number", "app"} & house.arguments(name):
        return

    address = house.address(name, pk=number, number=number, app=number)

    assert logged_in(house.member).get(address).status_code in {302, 404, 405}
