import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.functions import FUNCTIONS
from connections.rights import PARTS, Rights, accesses_of_owner, common, grantable, has

ALL = list(FUNCTIONS)
some = st.frozensets(st.sampled_from(ALL))
part = st.none() | some


@given(app=some, key=part, owner=part, partnership=part)
def test_a_call_never_gets_more_than_any_of_the_four_parts(app, key, owner, partnership):
    rights = Rights(app, key, owner, partnership)

    expected = {
        name
        for name in ALL
        if name in app and all(it is None or name in it for it in (key, owner, partnership))
    }
    assert rights.effective() == expected
    assert {name for name in ALL if rights.allows(name)} == expected
    assert {
        mark.function.name for mark in rights.marks(FUNCTIONS.values()) if mark.allowed
    } == expected


@given(app=some, key=part, owner=part, partnership=part)
def test_each_mark_says_who_gives_the_function_and_the_first_who_does_not(
    app, key, owner, partnership
):
    given_by = {"app": app, "key": key, "owner": owner, "partnership": partnership}
    for mark in Rights(**given_by).marks(FUNCTIONS.values()):
        gives = {name: it is None or mark.function.name in it for name, it in given_by.items()}
        assert {name: getattr(mark, name) for name in PARTS} == gives
        assert mark.missing == next((name for name in PARTS if not gives[name]), "")


def test_without_a_partnership_nothing_is_missing_there():
    assert Rights(frozenset(ALL), None, None).mark(FUNCTIONS["SendDocument"]).partnership


def test_the_parts_are_looked_at_in_the_order_in_which_they_can_be_mended():
    assert PARTS == ("app", "key", "owner", "partnership")


def test_what_nobody_limits_is_without_limit():
    assert common(None, None) is None
    assert common(None, frozenset({"SendDocument"})) == {"SendDocument"}
    assert has(None, "SendDocument")
    assert not has(frozenset(), "SendDocument")


@given(asked=some, app=some, owner=part)
def test_a_key_is_never_given_more_than_its_app_asks_and_its_owner_has(asked, app, owner):
    granted = grantable(asked, app=app, owner=owner)

    assert set(granted) == asked & app & (frozenset(ALL) if owner is None else owner)
    assert len(granted) == len(set(granted))


@given(accesses=part)
def test_an_owner_who_does_not_stand_has_nothing(accesses):
    assert accesses_of_owner(stands=False, accesses=accesses) == frozenset()


@pytest.mark.parametrize(("stored", "means"), [(None, None), ([], frozenset()), (["A"], {"A"})])
def test_an_owner_has_what_the_membership_says_and_without_a_list_everything(stored, means):
    assert accesses_of_owner(stands=True, accesses=stored) == means
