from hypothesis import given
from hypothesis import strategies as st

from connections.functions import FUNCTIONS
from connections.rights import Rights, accesses_of_owner, grantable

some = st.frozensets(st.sampled_from(list(FUNCTIONS)))


@given(app=some, key=st.none() | some, owner=some, partnership=st.none() | some)
def test_a_call_never_gets_more_than_any_of_the_four_parts(app, key, owner, partnership):
    effective = Rights(app, key, owner, partnership).effective()

    assert effective == frozenset(
        name
        for name in FUNCTIONS
        if all(name in part for part in (app, key, owner, partnership) if part is not None)
    )


@given(app=some, key=some, owner=some)
def test_what_is_missing_is_named_and_where(app, key, owner):
    for mark in Rights(app, key, owner).marks():
        assert mark.allowed == (mark.missing == "")
        assert mark.allowed or not getattr(mark, mark.missing)


@given(asked=some, app=some, owner=some)
def test_a_key_is_never_given_more_than_its_app_asks_and_its_owner_has(asked, app, owner):
    assert set(grantable(asked, app=app, owner=owner)) == asked & app & owner


@given(accesses=st.none() | some)
def test_an_owner_who_does_not_stand_has_nothing(accesses):
    assert accesses_of_owner(stands=False, accesses=accesses) == frozenset()


def test_a_membership_without_a_list_has_all_that_the_role_brings():
    assert accesses_of_owner(stands=True, accesses=None) == frozenset(FUNCTIONS)
