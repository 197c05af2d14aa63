"""Whatever is typed into addresses and forms: an answer, never a 500, on every database."""

import pytest

from tests.test_architecture import OUR_VIEWS, House, logged_in, names, our_house

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
    "client_name", "note", "pays", "replace", "again", "word", "package", "colleague", "user", "users",
    "client", "file", "batch", "terms", "read", "shown", "seen", "scope", "owner", "application",
    "custom", "is_custom", "about", "since", "until", "invoice", "connection", "everything", "refused",
    "id", "ends_on", "exactly", "confirmed", "overlap", "reason", "keys", "clients", "warnings", "people",
    "result", "autopilot_url",
]  # fmt: skip


@pytest.fixture
def house(db) -> House:
    return our_house()


def naming(arguments, *kinds):
    """The names of our views whose address names one of these."""
    return [name for name in names(*kinds) if arguments & OUR_VIEWS[name][1]]


NUMBERS, TEXTS = (
    {"pk", "number", "app", "person"},
    {"token", "organisation_id", "organisation", "request_id"},
)


@pytest.mark.parametrize(
    "name",
    sorted({*names("public", "personal", "environment", "organisation")} - {"live", "ready"}),
)
def test_hostile_input_gets_an_answer(house, name):
    member = logged_in(house.member)
    address = house.address(name)
    for value in HOSTILE:
        everywhere = dict.fromkeys(FIELDS, value)

        answers = [member.get(address, everywhere), member.post(address, everywhere)]

        assert max(answer.status_code for answer in answers) < 500, value


@pytest.mark.parametrize("name", naming(NUMBERS, "environment", "organisation"))
def test_numbers_out_of_range_are_404(house, name):
    member = logged_in(house.member)
    for number in (0, 2**31, 2**63, 2**70):
        address = house.address(name, **dict.fromkeys(NUMBERS, number))

        answers = {member.get(address).status_code, member.post(address).status_code}

        assert answers <= {302, 404, 405}, number


@pytest.mark.parametrize("name", naming(TEXTS, "public", "environment", "organisation"))
def test_hostile_addresses_get_an_answer(house, name):
    member = logged_in(house.member)
    for value in (text for text in HOSTILE if "/" not in text):
        address = house.address(name, **dict.fromkeys(TEXTS, value))

        answers = [member.get(address), member.post(address)]

        assert max(answer.status_code for answer in answers) in {404, 405, 410}, value
