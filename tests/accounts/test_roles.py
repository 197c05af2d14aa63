import pytest

from accounts.roles import GRANTS, OPEN_TO_PARTNERS, Permission, Role, allows, roles_that_allow

LOWEST_ROLE = {
    "view_organisation": "basic",
    "handle_invoices": "basic",
    "manage_keys": "advanced",
    "manage_apps": "advanced",
    "send_requests": "advanced",
    "answer_requests": "advanced",
    "take_over": "administrator",
    "manage_organisations": "administrator",
    "manage_users": "administrator",
    "manage_integrations": "administrator",
    "manage_partners": "administrator",
    "view_activity": "administrator",
    "close_environment": "administrator",
}
ROLES = ["basic", "advanced", "administrator"]


def test_every_permission_and_every_role_is_in_the_table():
    assert list(LOWEST_ROLE) == Permission.values
    assert ROLES == Role.values == list(GRANTS)


@pytest.mark.parametrize(("permission", "lowest"), LOWEST_ROLE.items())
def test_a_role_allows_what_it_is_for_and_so_does_every_higher_one(permission, lowest):
    expected = ROLES[ROLES.index(lowest) :]

    assert roles_that_allow(Permission(permission)) == expected
    assert [role for role in ROLES if allows(role, Permission(permission))] == expected


@pytest.mark.parametrize("role", ["", "owner", "Administrator", None])
def test_an_unknown_role_allows_nothing(role):
    assert not any(allows(role, permission) for permission in Permission)


def test_people_of_a_partner_never_get_further_than_connections_and_invoices():
    assert sorted(OPEN_TO_PARTNERS) == [
        "handle_invoices",
        "manage_keys",
        "take_over",
        "view_organisation",
    ]
