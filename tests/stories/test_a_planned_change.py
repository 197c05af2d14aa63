"""A planned change of keys in the browser: rotate, both sets, the end; then pause and resume (R17, R23)."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from connections.models import KeySet
from tests.browsing import sign_in
from tests.factories import AppFactory, MembershipFactory, connect, organisation_at
from tests.stories.package import Package
from tests.stories.steps import step

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def sanne(portal):
    bakery = organisation_at("0088:7300010000001", name="Bakery")
    return MembershipFactory(organisation=bakery, user__advanced=True, user__with_login=True).user


def test_keys_are_changed_without_the_software_standing_still(browse, portal, sanne):
    connection, pair = connect(sanne, app=AppFactory(name="Yuki"))
    organisation = connection.organisation.organisation_id
    old = Package(portal, pair.app_key, pair.secret.reveal(), organisation)
    assert old.test()[0] == 200
    page = browse()
    main = page.get_by_role("main")
    sign_in(page, sanne.email)

    with step("Rotate for a planned change: 1 hour, 24 hours or 7 days."):
        page.goto(connection.get_absolute_url())
        page.get_by_role("link", name="Rotate", exact=True).click()
        page.get_by_label("The Secret is lost").check()
        page.get_by_role("button", name="Rotate", exact=True).click()
        expect(main).to_contain_text("Create new keys instead")
        page.get_by_label("A planned change").check()
        page.get_by_label("7 days").check()
        page.get_by_role("button", name="Rotate", exact=True).click()

    with step("The new Secret is shown once; the old keys still work."):
        expect(main).to_contain_text("the old keys work too")
        new = Package(
            portal,
            page.get_by_label("App Key", exact=True).input_value(),
            page.get_by_label("Secret", exact=True).input_value(),
            organisation,
        )
        assert old.test()[0] == 200
        page.get_by_role("link", name="I have stored the Secret").click()
        expect(main).to_contain_text("The new ones have not been used yet")

    with step(
        "Both sets stand side by side with their last use; the page turns at the first call."
    ):
        expect(main).to_contain_text("Old, still works")
        assert new.test()[0] == 200
        expect(main).to_contain_text("The new ones are in use since", timeout=15_000)

    with step("When the new set is used and the old one is silent it is said to be safe to end."):
        day = timedelta(days=1)
        KeySet.objects.update(last_used_at=timezone.now() - day)
        KeySet.objects.filter(rotated_at=None).update(first_used_at=timezone.now() - day)
        page.reload()
        expect(main).to_contain_text("It is safe to end the old keys.")
        page.get_by_role("button", name="End now").click()
        expect(page.get_by_text("The old keys have ended.")).to_be_visible()
        assert old.test()[1]["reason"] == "rotated"
        assert new.test()[0] == 200

    with step("Pause and resume, without new keys."):
        page.get_by_role("button", name="Pause").click()
        expect(main).to_contain_text("Paused by")
        assert new.test()[1]["code"] == "ERRIAU3000002"
        page.get_by_role("button", name="Resume").first.click()
        expect(page.get_by_text("The connection works again, with the same keys.")).to_be_visible()
        assert new.test()[0] == 200
