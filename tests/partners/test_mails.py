"""Who hears of what: the mails of requests and partnerships (R30, R32, R34)."""

import pytest

from accounts.mail.models import Mail
from accounts.models import User
from connections.services import end_partnership
from partners import services
from tests.factories import UserFactory, ask, let_in


@pytest.fixture
def people(asker, boss, member):
    """Everybody whom it may concern, by what they are; and one on each side whom it does not."""
    client = member.user.environment
    owner = UserFactory(administrator=True, environment=client)
    UserFactory(advanced=True, environment=client)
    UserFactory(advanced=True, environment=asker.environment)
    return {"asker": asker, "boss": boss, "member": member.user, "owner": owner}


def accept(people, member):
    asked = ask(people["asker"], member)
    Mail.objects.all().delete()
    services.accept(request=asked, functions=["SendDocument"], by=member.user)


def decline(people, member):
    asked = ask(people["asker"], member)
    Mail.objects.all().delete()
    services.decline(request=asked, by=member.user)


def withdraw(people, member):
    asked = ask(people["asker"], member)
    Mail.objects.all().delete()
    services.withdraw(request=asked, by=people["asker"])


def change_functions(people, member):
    mandate = let_in(people["asker"], member)
    Mail.objects.all().delete()
    services.change_functions(mandate=mandate, functions=["SendDocument"], by=member.user)


def remove_person(people, member):
    mandate = let_in(people["asker"], member)
    Mail.objects.all().delete()
    services.remove_person(mandate=mandate, user=people["asker"], by=member.user)


def end(people, member):
    mandate = let_in(people["asker"], member)
    Mail.objects.all().delete()
    end_partnership(partnership=mandate.partnership, by=people["boss"])


WHO_HEARS = [
    (accept, ["asker", "member", "owner"]),
    (decline, ["asker"]),
    (withdraw, []),
    (change_functions, ["asker"]),
    (remove_person, ["asker", "boss"]),
    (end, ["asker", "boss", "member", "owner"]),
]


@pytest.mark.parametrize(("change", "who"), WHO_HEARS, ids=[c.__name__ for c, _who in WHO_HEARS])
def test_everybody_whom_it_concerns_hears_once(people, member, change, who):
    change(people, member)

    told = sorted(Mail.objects.values_list("to", flat=True))
    assert told == sorted(people[name].email for name in who)


@pytest.mark.parametrize(("change", "who"), WHO_HEARS, ids=[c.__name__ for c, _who in WHO_HEARS])
def test_every_mail_is_finished(people, member, change, who):
    change(people, member)

    for mail in Mail.objects.all():
        assert mail.subject
        for text in (mail.subject, mail.body, mail.html):
            assert "{{" not in text
            assert "None" not in text
            assert "&amp;amp;" not in text


def test_names_are_written_as_they_are(asker, member):
    asker.environment.name = "Kok & Zn. <b>"
    asker.environment.save()

    ask(asker, member, note='Say "yes" & <i>sign</i>')

    mail = Mail.objects.get(to=member.user.email)
    assert "Kok & Zn. <b>" in mail.subject
    assert 'Say "yes" & <i>sign</i>' in mail.body
    assert "<i>sign</i>" not in mail.html


def test_a_note_makes_no_second_link_or_header(asker, member):
    ask(asker, member, client_name="A\nBcc: all@example.org", note="\n\nhttps://evil.example/\n\n")

    mail = Mail.objects.get(to=member.user.email)
    assert "\n" not in mail.subject
    assert 'href="https://evil.example' not in mail.html


def test_nobody_who_is_blocked_hears_of_the_end(people, member):
    mandate = let_in(people["asker"], member)
    User.objects.filter(pk=people["owner"].pk).update(is_active=False)
    Mail.objects.all().delete()

    end_partnership(partnership=mandate.partnership, by=member.user)

    assert not Mail.objects.filter(to=people["owner"].email).exists()
