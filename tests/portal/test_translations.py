"""Dutch is complete: every text, every page and every mail (R57)."""

import ast
import re
from pathlib import Path

import allauth
import polib
import pytest
from django.conf import settings
from django.contrib.auth.password_validation import password_validators_help_text_html
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import translation
from django.utils.translation.template import templatize

from accounts import services
from accounts.mail.models import Mail
from accounts.roles import Role
from connections import services as connections
from portal.borrowed import BORROWED
from scripts import messages
from tests.factories import PASSWORD, MembershipFactory, UserFactory, connect

CATALOGUE = messages.LOCALE / "nl" / "LC_MESSAGES" / "django.po"
ROOT = Path(settings.BASE_DIR)
PACKAGES = Path(allauth.__file__).parent.parent

MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
IN_TEMPLATES = re.compile(r"""(?:_|gettext)\(u?("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")


def marked_texts():
    """What makemessages would find; it needs the GNU gettext programs, which not every machine has."""
    for folder in ("portal", "accounts", "partners", "connections"):
        for path in (ROOT / folder).rglob("*.py"):
            yield from marked_in_code(path.read_text())
    for path in (ROOT / "templates").rglob("*.*"):
        for found in IN_TEMPLATES.finditer(templatize(path.read_text())):
            yield ast.literal_eval(found[1])


def marked_in_code(code):
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS:
            yield from (part.value for part in node.args[:1] if isinstance(part, ast.Constant))


@pytest.fixture(scope="module")
def catalogue():
    return polib.pofile(CATALOGUE)


@pytest.fixture
def dutch(client):
    """An administrator who reads Dutch, member of one organisation with one connection; signed in."""
    user = MembershipFactory(user__administrator=True, user__language="nl").user
    connect(user)
    client.force_login(user)
    return user


def test_every_text_is_translated_with_its_placeholders_and_compiled():
    assert list(messages.problems(CATALOGUE)) == []


def test_no_text_waits_for_a_second_look(catalogue):
    assert [entry.msgid for entry in catalogue if entry.fuzzy or entry.obsolete] == []


def test_lines_begin_and_end_alike(catalogue):
    for entry in catalogue:
        for text in [entry.msgstr] if entry.msgstr else entry.msgstr_plural.values():
            assert text.startswith("\n") == entry.msgid.startswith("\n"), entry.msgid
            assert text.endswith("\n") == entry.msgid.endswith("\n"), entry.msgid


def test_html_stays_in_balance(catalogue):
    for entry in catalogue:
        tags = re.compile(r"</?[a-z]+")
        assert sorted(tags.findall(entry.msgid)) == sorted(tags.findall(entry.msgstr)), entry.msgid


def test_nobody_is_spoken_to_formally(catalogue):
    formal = re.compile(r"\b(u|uw|alstublieft|a\.u\.b)\b", re.IGNORECASE)

    assert [entry.msgid for entry in catalogue if formal.search(entry.msgstr)] == []


def test_every_marked_text_of_our_sources_is_in_the_catalogue(catalogue):
    known = {entry.msgid for entry in catalogue}
    texts = set(marked_texts())

    assert len(texts) > 500
    assert texts - known == set()


def test_borrowed_texts_are_still_said_by_django_or_allauth():
    """An upgrade that words a text anew makes our line useless, and its own Dutch comes back."""
    said = {
        entry.msgid
        for package in ("allauth", "django/contrib/auth")
        for entry in polib.pofile(PACKAGES / package / "locale/nl/LC_MESSAGES/django.po")
        if not entry.obsolete
    }

    assert set(BORROWED) - said == set()


def test_our_words_come_before_those_of_django_and_allauth():
    with translation.override("nl"):
        assert translation.gettext("Sign In") == "Inloggen"
        help_text = str(password_validators_help_text_html())

    assert "Gebruik minstens 12 tekens." in help_text
    assert "Uw " not in help_text


@pytest.mark.django_db
def test_a_short_password_is_refused_in_dutch(client):
    answer = client.post(
        reverse("account_signup"), {"password1": "kort"}, headers={"accept-language": "nl"}
    )

    assert "Dit wachtwoord is te kort. Gebruik minstens 12 tekens." in answer.text


TITLES = {
    "home": ("Overview", "Overzicht"),
    "connections:overview": ("Connections", "Koppelingen"),
    "accounts:users": ("Users", "Gebruikers"),
    "accounts:invite": ("Invite user", "Gebruiker uitnodigen"),
    "accounts:add-organisation": ("Add organisation", "Organisatie toevoegen"),
    "accounts:activity": ("Activity", "Activiteit"),
    "accounts:profile": ("Profile", "Profiel"),
    "connections:api-docs": ("API docs", "API-documentatie"),
    "account_change_password": ("Change Password", "Wachtwoord wijzigen"),
    "mfa_index": ("Two-Factor Authentication", "Tweestapsverificatie"),
    "usersessions_list": ("Sessions", "Sessies"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", TITLES)
def test_pages_speak_the_language_of_the_person(client, dutch, name):
    english, in_dutch = TITLES[name]

    assert title(client.get(reverse(name))) == in_dutch
    services.change_profile(user=dutch, language="en")
    assert title(client.get(reverse(name))) == english


OF_CONNECTION = {
    "new-keys": "Nieuwe sleutels maken voor Bookkeeping",
    "accesses": "Rechten van Bookkeeping wijzigen",
    "test": "Bookkeeping testen",
    "revoke": "Bookkeeping intrekken?",
    "delete": "Bookkeeping verwijderen?",
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", OF_CONNECTION)
def test_pages_of_a_connection_speak_dutch(client, dutch, name, settings):
    settings.RECENT_LOGIN_SECONDS = 10**12
    connection = dutch.owned_connections.get()

    assert title(client.get(connection.url(name))) == OF_CONNECTION[name]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "in_dutch"),
    [
        ("account_login", "Inloggen"),
        ("account_signup", "Registreren"),
        ("account_reset_password", "Nieuw wachtwoord"),
    ],
)
def test_strangers_are_spoken_to_in_the_language_of_their_browser(name, in_dutch):
    answer = Client().get(reverse(name), headers={"accept-language": "nl-NL,nl;q=0.9"})

    assert title(answer) == in_dutch
    assert '<html lang="nl">' in answer.text


@pytest.mark.django_db
def test_the_log_speaks_dutch(client, dutch):
    services.change_profile(user=dutch, first_name="Annemarie")
    answer = client.get(reverse("accounts:activity"))

    assert "Profiel gewijzigd: voornaam" in answer.text
    assert "Koppeling gemaakt" in answer.text
    assert "rechten: Alle rechten" in answer.text


@pytest.mark.django_db
def test_a_mail_speaks_the_language_of_its_reader_not_of_its_sender():
    administrator = UserFactory(administrator=True, language="en")
    reader = UserFactory(environment=administrator.environment, language="nl")
    with translation.override("en"):
        services.change_role(user=reader, role=Role.ADVANCED, by=administrator)
    mail = Mail.objects.get(to=reader.email)

    assert mail.subject == "Je rol is gewijzigd"
    assert "Beste Sanne," in mail.body
    assert "Gevorderde gebruiker" in mail.body


@pytest.mark.django_db
def test_one_change_tells_each_reader_in_their_own_language():
    owner = MembershipFactory(user__advanced=True, user__language="nl").user
    connection, _pair = connect(owner)
    administrator = MembershipFactory(
        organisation=connection.organisation, user__administrator=True, user__language="en"
    ).user
    Mail.objects.all().delete()
    with transaction.atomic():
        connections.revoke(connection=connection, by=administrator)
    subjects = dict(Mail.objects.values_list("to", "subject"))

    assert "is niet meer gekoppeld aan" in subjects[owner.email]
    assert "is no longer connected to" in subjects[administrator.email]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("page", "subject", "sentence"),
    [
        ("account_reset_password", "Nieuw wachtwoord", "een nieuw wachtwoord voor je account"),
        ("account_signup", "Account bestaat al", "Maar er is al een account"),
    ],
)
def test_mails_of_allauth_speak_the_language_of_their_reader(page, subject, sentence, settings):
    settings.EMAIL_BACKEND = "accounts.mail.backend.OutboxBackend"
    user = UserFactory(with_login=True, language="nl")
    asked = {"environment": "Bakery", "first_name": "Els", "last_name": "Smit", "email": user.email}
    password = {"password1": PASSWORD, "password2": PASSWORD}
    Client().post(reverse(page), {**asked, **password}, headers={"accept-language": "en"})
    mail = Mail.objects.get(to=user.email)

    assert mail.subject == subject
    assert sentence in mail.body


def title(answer):
    return re.search(r"<title>\s*(.*?)\s*· Koppel</title>", answer.text, re.DOTALL)[1]


def test_the_check_sees_what_is_wrong(tmp_path):
    po = polib.POFile()
    po.append(polib.POEntry(msgid="Untranslated"))
    po.append(polib.POEntry(msgid="Hello %(name)s", msgstr="Hallo"))
    path = tmp_path / "django.po"
    po.save(str(path))
    found = "\n".join(messages.problems(path))

    assert "not translated: 'Untranslated'" in found
    assert "other placeholders" in found
    assert "does not say what its .po says" in found
