"""How to enter the keys in each package, and the overview of integration methods."""

import uuid

import pytest
from django.db import connection as db
from django.test.utils import CaptureQueriesContext
from lxml import html

from connections.templatetags.guides import markdown
from tests.browsing import signed_in
from tests.factories import AppFactory, MembershipFactory, connect

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return MembershipFactory(user__advanced=True).user


def keys_page(user, app):
    """The answer that shows new keys for `app`."""
    connection, _pair = connect(user, app=app)
    return signed_in(user).post(connection.url("new-keys"), {"op_id": uuid.uuid4()}).text


def test_a_guide_is_rendered():
    text = "## Settings\n\n1. Open *Settings*\n2. Choose **E-invoices**\n\n[More](https://yuki.example/help)"

    assert markdown(text).split("\n") == [
        "<h2>Settings</h2>",
        "<ol>",
        "<li>Open <em>Settings</em></li>",
        "<li>Choose <strong>E-invoices</strong></li>",
        "</ol>",
        '<p><a href="https://yuki.example/help">More</a></p>',
        "",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)> b",
        "<b onclick=alert(1)>x</b>",
        "<!-- x --><?php x ?><![CDATA[x]]>",
        "<a href='javascript:alert(1)'>x</a>",
        "<style>*{display:none}</style>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](vbscript:x)",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](file:///etc/passwd)",
        "<javascript:alert(1)>",
        "[x]: javascript:alert(1)\n\n[x]",
        "![x](https://elsewhere.example/a.png)",
        "![x][y]\n\n[y]: https://elsewhere.example/a.png",
        '[x](https://a.example "\\"onmouseover=alert(1)")',
        "`<script>`",
        "```<script>\n<script>alert(1)</script>\n```",
        '```" onmouseover=alert(1) "\nx\n```',
        '[x](https://a.example/"onmouseover=alert(1))',
    ],
)
def test_html_pictures_and_dangerous_links_stay_text(text):
    rendered = html.fromstring(f"<div>{markdown(text)}</div>")

    assert {it.tag for it in rendered.iter()} <= {"div", "p", "a", "code", "pre", "em"}
    for element in rendered.iter():
        assert set(element.keys()) <= {"href", "title", "class"}
        assert element.get("href", "https://").startswith("https://")


@pytest.mark.parametrize("text", [None, "", "\0", "[" * 5000, "*" * 5000, "> " * 5000, "`" * 5000])
def test_whatever_support_writes_is_rendered(text):
    assert isinstance(markdown(text), str)


def test_the_page_with_the_keys_shows_the_guide_instead_of_the_general_steps(user):
    guided = keys_page(user, AppFactory(guide="Choose **Koppelingen**."))
    general = keys_page(user, AppFactory(name="Twinfield"))

    assert "<strong>Koppelingen</strong>" in guided
    assert "Open the settings of" not in guided
    assert "Open the settings of Twinfield" in general


@pytest.mark.parametrize(
    ("language", "english", "dutch", "shown"),
    [
        ("en", "Open it", "Open het", "Open it"),
        ("nl", "Open it", "Open het", "Open het"),
        ("nl", "Open it", "", "Open it"),
        ("en", "", "Open het", "Open het"),
    ],
)
def test_the_guide_speaks_the_language_of_the_reader_when_it_can(
    user, language, english, dutch, shown
):
    user.language = language
    user.save()

    page = keys_page(user, AppFactory(guide=english, guide_nl=dutch))

    assert f"<p>{shown}</p>" in page


def test_a_guide_of_hostile_text_adds_no_element_to_the_page(user):
    page = keys_page(user, AppFactory(guide="<script>alert(1)</script>\n\n<img src=x>"))

    assert "<script>alert" not in page
    assert "<img src=x" not in page


# The overview of integration methods


def row(page, name):
    """The line of a package: its name with what it is, then the other cells."""
    for line in html.fromstring(page).xpath("//tbody/tr"):
        cells = [" ".join(cell.text_content().split()) for cell in line]
        if name in cells[0].split():
            return cells
    return None


def test_each_published_package_is_listed_with_how_it_is_connected(user):
    AppFactory(name="Yuki", quick_connect=True)
    AppFactory(name="Basecone", functions=["SendDocument"], minimum_plan="professional")
    AppFactory(name="Reader", functions=["GetInboxDocument"])
    AppFactory(name="Register", functions=["GetParties"])

    page = signed_in(user).get("/methods/").text

    assert row(page, "Yuki")[1:] == ["Connection keys", "Sends and receives", "yes", "Basic"]
    assert row(page, "Basecone")[1:] == ["Connection keys", "Sends", "no", "Professional"]
    assert row(page, "Reader")[2] == "Receives"
    assert row(page, "Register")[2] == "Neither"


def test_what_is_not_published_or_private_is_not_listed(user):
    AppFactory(name="Plans", published=False)
    AppFactory(name="Ours", environment=user.environment)

    page = signed_in(user).get("/methods/").text

    assert (row(page, "Plans"), row(page, "Ours")) == (None, None)


def test_who_may_not_connect_reads_the_overview_without_links():
    app = AppFactory(name="Yuki")
    page = signed_in(MembershipFactory().user).get("/methods/").text

    assert row(page, "Yuki")
    assert app.get_absolute_url() not in page


def test_the_overview_costs_the_same_with_one_and_with_three_packages(user):
    client, queries = signed_in(user), []
    for number in (1, 2):
        AppFactory.create_batch(number)
        client.get("/methods/")
        with CaptureQueriesContext(db) as captured:
            client.get("/methods/")
        queries.append(len(captured))

    assert queries[0] == queries[1]
