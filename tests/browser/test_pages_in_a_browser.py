"""Every page of the portal in a real browser, light and dark: accessible, without errors, fitting a phone.

With PICTURES=folder a picture of every page is left there: light, dark, on a phone and in Dutch.
"""

import os
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from django.utils import timezone

from accounts import services
from accounts.models import User
from accounts.roles import Role
from connections import keys
from connections.autopilot.models import Autopilot
from connections.autopilot.services import switch_on
from connections.models import App, Connection, KeySet, RefusedCall
from partners.models import AuthorisationRequest, Mandate, Partnership, digest_of, new_token
from portal.demo import story
from tests.browsing import troubles_of
from tests.factories import UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PICTURES = os.environ.get("PICTURES")
PHONE = {"width": 390, "height": 844}
LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "dutch": {"color_scheme": "light", "locale": "nl-NL"},
}
CONNECT_LINK = "?app=Basecone&name=Scans&functions=GetInboxDocuments,GetInboxDocument"
MAIN_BUTTON = "main form[method=post] :is(.btn.primary, .btn.danger)"
BLOCK_BUTTON = "form[action$='/block/'] button"


@dataclass(frozen=True)
class Place:
    """A page: what it is called here, who looks, where it is, and what the person does there."""

    name: str
    who: str
    address: str
    does: str = ""  # CSS selector of what is clicked
    types: tuple = ()  # pairs of field and text, before the click
    status: int = 200


def places():
    """The pages of the demonstration; the last ones change something."""
    of = {
        connection.name + connection.organisation.name.removeprefix("Van Dijk"): connection
        for connection in Connection.objects.select_related("organisation", "app")
    }
    bakery = of["BookkeepingBakkerij De Molen B.V."]
    unused = of["Scanned invoicesBakkerij De Molen B.V."]
    revoked = of["Old bookkeepingBakkerij De Molen B.V."]
    webshop = of["Webshop ordersBakkerij De Molen B.V."]
    transport, suspended = of["Bookkeeping Transport B.V."], of["Bookkeeping Verhuur B.V."]
    here = bakery.organisation
    year_end = of["Annual accountsBakkerij De Molen B.V."]
    rotating, paused = of["Ledger Verhuur B.V."], of["Reminders Transport B.V."]
    shared = of["BookkeepingHovenier Smit"]
    further = shared.further.get().organisation
    books, plain = (App.objects.get(name=name) for name in ("Koppel Books", "SnelStart"))
    office = Connection.objects.get(name="Our own books")
    office.key_sets.retire(KeySet.Retired.FOUND, None)
    joris, fatima = (User.objects.get(email=f"{n}@demolen.example") for n in ("joris", "fatima"))
    services.block(user=fatima, by=User.objects.get(email="sanne@demolen.example"))
    invited = services.invite(
        environment=here.environment,
        email="nieuw@demolen.example",
        role=Role.ADVANCED,
        organisations=[here],
        by=User.objects.get(email="sanne@demolen.example"),
    )

    User.objects.get(email="els@smit.example").notices.all().delete()
    running = here.reoffers.create(by=bakery.owner, number=2)  # the worker is not there to do it
    running.lines.create(invoice=here.inbox.first())
    running.lines.create(invoice=here.inbox.last(), state="offered")
    refused = RefusedCall.objects.get(key_set__connection=webshop)

    autopilot, trying, new = (autopilot_of(here, bakery.owner, name) for name in "ABC")
    journal_of(autopilot, here.inbox.all()[:3])
    journal_of(trying, here.inbox.all()[:1], failing=True)

    def about(page, connection):
        return connection.url(page)

    def at(name, **kwargs):
        return reverse(name, kwargs=kwargs)

    def pushing(page, connection):
        return at_bakery(f"autopilot:{page}", number=connection.number)

    def at_bakery(name, **kwargs):
        return at(name, organisation=here.organisation_id, **kwargs)

    def on_joris(page, **kwargs):
        return at(f"connections:{page}", pk=joris.pk, **kwargs)

    respell = on_joris("new-key") + f"?organisation={here.organisation_id}&custom=yuki"
    sanne = [
        ("home", at("home")),
        ("overview", at("connections:overview")),
        ("overview-nothing-found", at("connections:overview") + "?q=nothing"),
        ("overview-of-organisation", at_bakery("connections:overview-of")),
        ("new-gallery", at_bakery("connections:new")),
        ("new-gallery-own", at_bakery("connections:new") + "?kind=own"),
        ("new-gallery-nothing-found", at_bakery("connections:new") + "?q=Moneybird"),
        ("new-own-app", at_bakery("connections:new-own-app")),
        ("new-create", at_bakery("connections:create", app=books.pk)),
        ("connection-used", about("connection", bakery)),
        ("connection-never-used", about("connection", unused)),
        ("connection-revoked", about("connection", revoked)),
        ("connection-own-app", about("connection", webshop)),
        ("connection-expires", about("connection", year_end)),
        ("new-keys", about("new-keys", bakery)),
        ("rotate", about("rotate", bakery)),
        ("expiry", about("expiry", bakery)),
        ("accesses", about("accesses", bakery)),
        ("test", about("test", bakery)),
        ("test-refused", about("test", webshop)),
        ("request", refused.get_absolute_url()),
        ("request-nothing-found", at("connections:request") + "?id=req_0"),
        ("revoke", about("revoke", bakery)),
        ("revoke-again", about("revoke", revoked)),
        ("delete", about("delete", revoked)),
        ("delete-refused", about("delete", bakery)),
        ("app-generic", at("connections:app", pk=books.pk)),
        ("app-own", at("connections:app", pk=webshop.app_id)),
        ("app-edit", at("connections:edit-app", pk=webshop.app_id)),
        ("invoices", at_bakery("invoices:received-of")),
        ("invoices-sent", at_bakery("invoices:sent-of")),
        ("invoices-nothing-found", at_bakery("invoices:received-of") + "?q=nothing"),
        ("invoices-status", at_bakery("invoices:sent-of") + "?status=rejected"),
        ("invoice", here.inbox.first().url("invoice", here)),
        ("invoice-duplicate", here.inbox.get(status="duplicate").url("invoice", here)),
        ("invoice-rejected", here.outbox.get(status="rejected").url("invoice", here)),
        ("invoice-failed", here.outbox.get(receiver=None).url("invoice", here)),
        ("reoffer", at_bakery("invoices:reoffer")),
        ("reoffered", here.reoffers.earliest("pk").get_absolute_url()),
        ("reoffered-refused", here.reoffers.earliest("pk").get_absolute_url() + "?refused"),
        ("reoffered-running", running.get_absolute_url()),
        ("users", at("accounts:users")),
        ("users-nobody-found", at("accounts:users") + "?q=nobody"),
        ("invite", at("accounts:invite")),
        ("user", at("accounts:user", pk=joris.pk)),
        ("user-blocked", at("accounts:user", pk=fatima.pk)),
        ("user-invited", at("accounts:user", pk=invited.pk)),
        ("user-remove", at("accounts:user-remove", pk=joris.pk)),
        ("api-access", at("connections:api-access", pk=joris.pk)),
        ("api-access-blocked", at("connections:api-access", pk=fatima.pk)),
        ("person-accesses", on_joris("person-accesses", organisation_id=here.organisation_id)),
        ("new-key", on_joris("new-key")),
        (
            "new-key-custom",
            on_joris("new-key") + f"?organisation={here.organisation_id}&custom=Tool",
        ),
        (
            "create-key",
            on_joris("create-key", organisation_id=here.organisation_id) + "?custom=Tool",
        ),
        ("take-over", about("take-over", unused)),
        ("create-or-autopilot", at_bakery("connections:create", app=plain.pk)),
        ("autopilot-keys-first", at_bakery("autopilot:switch-on", app=plain.pk)),
        ("autopilot", about("connection", autopilot)),
        ("autopilot-failing", about("connection", trying)),
        ("autopilot-never-used", about("connection", new)),
        ("autopilot-test", pushing("test", autopilot)),
        ("autopilot-test-failing", pushing("test", trying)),
        ("autopilot-journal", pushing("journal", autopilot)),
        ("autopilot-journal-empty", pushing("journal", new)),
        ("autopilot-signing-secret", pushing("new-signing-secret", autopilot)),
        ("integrations", at("accounts:integrations")),
        ("integrations-end", at("accounts:end-integrations")),
        ("profile", at("accounts:profile")),
        ("mails", at("accounts:mails")),
        ("notices", at("accounts:notices")),
        (
            "notice",
            bakery.owner.notices.filter(template="connection_revoked").first().get_absolute_url(),
        ),
        ("account-delete-refused", at("accounts:delete-account")),
        ("environment", at("accounts:environment")),
        ("environment-close", at("accounts:close-environment")),
        ("organisation", at_bakery("accounts:organisation")),
        ("organisation-add", at("accounts:add-organisation")),
        ("organisation-change", at_bakery("accounts:change-organisation")),
        ("activity", at("accounts:activity")),
        ("activity-nothing-found", at("accounts:activity") + "?since=2100-01-01"),
        ("api-docs", at("connections:api-docs")),
        ("vendors", at("connections:vendors")),
        ("methods", at("connections:methods")),
        ("connect-link", at("connections:connect") + CONNECT_LINK),
        ("connect-link-unknown", at("connections:connect") + "?app=Nobody"),
        ("login-email", at("account_email")),
        ("login-password", at("account_change_password")),
        ("login-reauthenticate", at("account_reauthenticate")),
        ("login-sessions", at("usersessions_list")),
        ("login-two-factor", at("mfa_index")),
        ("login-totp", at("mfa_activate_totp")),
        ("login-key-add", at("mfa_add_webauthn")),
        ("login-keys", at("mfa_list_webauthn")),
    ]
    peter = [
        ("choose-organisation", at("connections:choose-organisation")),
        ("connect-link-choose", at("connections:connect") + CONNECT_LINK),
        ("overview-two-organisations", at("connections:overview")),
        ("invoices-of-all", at("invoices:received")),
        (
            "invoices-not-connected",
            at("invoices:received-of", organisation=suspended.organisation.organisation_id),
        ),
        ("connection-suspended", about("connection", suspended)),
        ("connection-old-keys", about("connection", transport)),
        ("test-suspended", about("test", suspended)),
        ("connection-rotating", about("connection", rotating)),
        ("connection-paused", about("connection", paused)),
        ("test-paused", about("test", paused)),
    ]
    aisha = [
        ("connection-shared", about("connection", shared)),
        ("add-organisation", about("add-organisation", shared)),
        ("remove-organisation", shared.url("add-organisation") + f"{further.pk}/remove/"),
        (
            "overview-shared",
            at("connections:overview-of", organisation=further.organisation_id),
        ),
    ]
    joris_himself = [("account-delete", at("accounts:delete-account"))]
    noor = [
        ("home-basic-user", at("home")),
        ("environment-basic-user", at("accounts:environment")),
    ]
    els = [
        ("home-free-plan", at("home")),
        ("overview-free-plan", at("connections:overview")),
        ("integrations-free-plan", at("accounts:integrations")),
        ("notices-none", at("accounts:notices")),
        ("connection-of-partner-shared", about("connection", shared)),
        (
            "leave",
            at(
                "connections:leave",
                organisation=shared.organisation.organisation_id,
                connection=shared.uuid,
            ),
        ),
    ]
    nobody = [
        ("signup", at("account_signup")),
        ("login", at("account_login")),
        ("reset", at("account_reset_password")),
        ("reset-sent", at("account_reset_password_done")),
        ("inactive", at("account_inactive")),
        ("invitation", at("accounts:invitation", token=services.invitation_token(invited))),
        ("api-docs-public", at("connections:api-docs")),
        ("vendors-public", at("connections:vendors")),
        ("found", at("connections:found")),
    ]
    create = at_bakery("connections:create", app=books.pk)
    secret = keys.make_pair().secret.reveal()  # nobody's
    requests = {
        status: AuthorisationRequest.objects.filter(status=status).first()
        for status in AuthorisationRequest.Status.values
    }
    waiting = AuthorisationRequest.objects.get(note__gt="")
    partnership = Partnership.objects.active().get(client=transport.organisation.environment)
    ended = Partnership.objects.get(ended_at__isnull=False)
    client = Mandate.objects.get(organisation=transport.organisation)
    willem = [
        ("clients", at("connections:clients")),
        ("clients-nothing-found", at("connections:clients") + "?q=nobody"),
        ("client", client.get_absolute_url()),
        ("client-pending", waiting.mandate.get_absolute_url()),
        ("requests-sent", at("partners:sent")),
        ("request-new", at("partners:new")),
        ("request-upload", at("partners:upload")),
        ("request-remind", at("partners:remind")),
        *((f"request-{status}", it.get_absolute_url()) for status, it in requests.items()),
        ("partners", at("partners:partners")),
        ("partnership-accountant", partnership.get_absolute_url()),
        ("partnership-ended", ended.get_absolute_url()),
        ("partnership-end", at("connections:end-partnership", partnership=partnership.uuid)),
        ("connection-of-client", about("connection", transport)),
        ("connection-keys-ended", about("connection", office)),
        ("home-keys-ended", at("home")),
    ]
    sanne += [
        ("requests-received", at("partners:received")),
        ("consent", at("partners:consent", uuid=waiting.uuid)),
        ("partners-none", at("partners:partners")),
    ]
    peter += [
        ("partnership-client", partnership.get_absolute_url()),
        ("consent-closed", at("partners:consent", uuid=requests["active"].uuid)),
    ]
    link = activation_of(waiting)
    request_again = (
        ("#id_client_name", "De Molen"),
        ("#id_email", "sanne@demolen.example"),
        ("#id_registration_number", "71234561"),
    )
    return [
        *(Place(name, "willem", address) for name, address in willem),
        Place("request-new-empty", "willem", at("partners:new"), MAIN_BUTTON),
        Place(
            "request-new-pending",
            "willem",
            at("partners:new") + f"?again={waiting.uuid}",
            MAIN_BUTTON,
            request_again,
        ),
        Place("link-unknown", "", at("partners:activation", token="spoilt"), status=404),
        Place("link", "", link),
        Place("link-wrong-person", "peter", link, status=403),
        Place("link-dead", "", activation_of(requests["withdrawn"]), status=410),
        *(Place(name, "peter", address) for name, address in peter),
        *(Place(name, "noor", address) for name, address in noor),
        *(Place(name, "joris", address) for name, address in joris_himself),
        *(Place(name, "els", address) for name, address in els),
        *(Place(name, "aisha", address) for name, address in aisha),
        Place("blocked", "bo", at("connections:overview"), status=403),
        Place("blocked-profile", "bo", at("accounts:profile")),
        Place("rotate-empty", "peter", about("rotate", transport), MAIN_BUTTON),
        Place("checklist", "noor", at("connections:overview"), status=403),
        Place("checklist-other-page", "noor", at("accounts:users"), status=403),
        *(Place(name, "", address) for name, address in nobody),
        Place("invitation-dead", "", at("accounts:invitation", token="spoilt"), status=410),
        Place(
            "login-wrong",
            "",
            at("account_login"),
            MAIN_BUTTON,
            (("#id_login", "sanne@demolen.example"), ("#id_password", "wrong")),
        ),
        Place("found-nothing", "", at("connections:found"), MAIN_BUTTON, (("#id_text", "nothing"),)),
        Place("found-thanks", "", at("connections:found"), MAIN_BUTTON, (("#id_text", secret),)),
        Place("signup-wrong", "", at("account_signup"), MAIN_BUTTON, sign_up("another")),
        Place("signup-confirm", "", at("account_signup"), MAIN_BUTTON, sign_up(story.PASSWORD)),
        *(Place(name, "sanne", address) for name, address in sanne),
        Place("new-key-registered", "sanne", respell, status=422),
        Place("close-wrong", "sanne", at("accounts:close-environment"), MAIN_BUTTON, (("#id_name", "X"),)),
        Place("block-asks-first", "sanne", at("accounts:user", pk=joris.pk), BLOCK_BUTTON),
        Place("not-found", "sanne", "/nowhere/", status=404),
        Place("generic-app", "sanne", at("connections:edit-app", pk=books.pk), status=403),
        Place("new-own-app-empty", "sanne", at_bakery("connections:new-own-app"), MAIN_BUTTON),
        Place("create-empty", "sanne", create, MAIN_BUTTON, (("#id_name", " "),)),
        Place("create-twice", "sanne", at_bakery("connections:create", app=bakery.app_id), MAIN_BUTTON),
        Place("invite-again", "sanne", at("accounts:invite"), MAIN_BUTTON, (("#id_email", joris.email),)),
        Place("menu-of-connection", "sanne", at("connections:overview"), "td [popovertarget]"),
        Place("menu-of-notices", "sanne", at("home"), "[popovertarget=frame-notices]"),
        Place("menu-of-person", "sanne", at("home"), "[popovertarget=frame-person]"),
        Place("keys-quick-connect", "sanne", create, MAIN_BUTTON),
        Place("keys-new", "sanne", about("new-keys", unused), MAIN_BUTTON),
        Place("keys-without-guide", "sanne", at_bakery("connections:create", app=plain.pk), MAIN_BUTTON),
        Place(
            "autopilot-switched-on",
            "sanne",
            at_bakery("autopilot:switch-on", app=plain.pk),
            MAIN_BUTTON,
            (("#id_administration", "Fourth"),),
        ),
        Place(
            "autopilot-asks",
            "sanne",
            at_bakery("autopilot:switch-on", app=books.pk),
            MAIN_BUTTON,
            (("#id_administration", "A"),),
        ),
        Place("autopilot-new-secret", "sanne", pushing("new-signing-secret", new), MAIN_BUTTON),
        Place("done", "sanne", about("revoke", webshop), MAIN_BUTTON),
    ]  # fmt: skip


def autopilot_of(organisation, owner, administration):
    """A connection that pushes, to an app of its own."""
    app, _new = App.objects.get_or_create(
        name=f"Autopilot {administration}",
        environment=organisation.environment,
        defaults={"autopilot_url": "https://a.example/", "functions": ["GetInboxDocument"]},
    )
    App.objects.filter(name="Koppel Books").update(autopilot_url="https://books.example/")
    connection, _secret = switch_on(
        organisation=organisation,
        app=app,
        name=f"Pushed to {administration}",
        administration=administration,
        by=owner,
        op_id=uuid.uuid4(),
    )
    return connection


def journal_of(connection, invoices, failing=False):
    """What the worker would have written."""
    now = timezone.now()
    for invoice in invoices:
        ends = [("fault", 500)] if failing else [("slow", None), ("delivered", 200)]
        for number, (outcome, status) in enumerate(ends):
            connection.attempts.create(
                invoice=invoice,
                message=uuid.uuid4(),
                milliseconds=120,
                number=number + 1,
                outcome=outcome,
                status=status,
                said="No such administration." if failing else "",
            )
    state = {"failing_since": now, "failures": 3} if failing else {"last_delivered_at": now}
    Autopilot.objects.filter(connection=connection).update(**state)


def activation_of(request):
    """An activation link to this request; those that were mailed are nobody's to know."""
    token = new_token()
    request.links.create(
        digest=digest_of(token), accountant=request.accountant, email=request.email
    )
    return reverse("partners:activation", kwargs={"token": token})


def sign_up(repeated):
    """What a newcomer types."""
    return (
        ("#id_environment", "Bakkerij Jansen"),
        ("#id_first_name", "Piet"),
        ("#id_last_name", "Jansen"),
        ("#id_email", "piet@jansen.example"),
        ("#id_password1", story.PASSWORD),
        ("#id_password2", repeated),
    )


class Walk:
    """One look of all pages; gathers what is wrong instead of stopping at it."""

    def __init__(self, browse, look):
        self.look, self.wrong, self.axe = look, [], Axe()
        people = {
            name: User.objects.get(email=f"{name}@{company}.example")
            for name, company in (
                ("sanne", "demolen"),
                ("joris", "demolen"),
                ("peter", "vandijk"),
                ("noor", "vandijk"),
                ("willem", "noord"),
                ("aisha", "noord"),
                ("bo", "blocked"),
                ("els", "smit"),
            )
        }
        if look == "dutch":
            User.objects.update(language="nl")
        self.pages = {
            name: browse(person, **LOOKS[look], reduced_motion="reduce")
            for name, person in {**people, "": None}.items()
        }
        self.troubles = {name: troubles_of(page) for name, page in self.pages.items()}

    def visit(self, place):
        page, troubles = self.pages[place.who], self.troubles[place.who]
        troubles.clear()
        status = page.goto(place.address).status
        for field, text in place.types:
            page.locator(field).fill(text)
        if place.does in (MAIN_BUTTON, BLOCK_BUTTON):
            with page.expect_navigation():
                page.locator(place.does).first.click()
        elif place.does:
            page.locator(place.does).first.click()
        self.note(place, status == place.status, f"answers {status}")
        found = self.axe.run(page, options={"resultTypes": ["violations"]})
        self.note(place, found.violations_count == 0, found.generate_report())
        self.picture(place, page, self.look)
        if self.look != "dark":
            self.on_a_phone(place, page)
        self.note(place, not troubles, f"has errors on the console: {troubles}")

    def on_a_phone(self, place, page):
        page.set_viewport_size(PHONE)
        width = page.evaluate("document.documentElement.scrollWidth")
        self.note(place, width <= PHONE["width"], f"is {width} wide on a phone")
        if self.look == "light":
            self.picture(place, page, "phone")
        page.set_viewport_size({"width": 1280, "height": 800})

    def note(self, place, right, what):
        if not right:
            self.wrong.append(f"{place.name} ({place.address}) {what}")

    def picture(self, place, page, kind):
        if PICTURES:
            path = Path(PICTURES) / f"{place.name}-{kind}.png"
            page.screenshot(path=path, full_page=not place.name.startswith("menu"))


@pytest.mark.parametrize("look", list(LOOKS) if PICTURES else ["light", "dark"])
def test_every_page_is_accessible_without_errors_and_fits_a_phone(browse, look):
    story.tell()
    UserFactory(
        email="bo@blocked.example",
        administrator=True,
        environment__name="Van Bommel B.V.",
        environment__blocked_at=timezone.now(),
        environment__blocked_because="A Secret of yours stood on a public page.",
    )
    walk = Walk(browse, look)

    for place in places():
        walk.visit(place)

    assert not walk.wrong, "\n".join(walk.wrong)
