"""What tests do in a browser, whoever sits at it."""

import time

from django.test import Client

from tests.factories import PASSWORD


def session_of(user):
    """The session of somebody who has just typed the password, for the cookies of a browser."""
    client = Client()
    client.force_login(user)
    session = client.session
    session["account_authentication_methods_user"] = str(user.pk)
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time(), "reauthenticated": True}
    ]
    session.save()
    return session.session_key


def signed_in(user):
    """A browser without pages in which somebody has just typed the password."""
    client = Client()
    client.cookies["sessionid"] = session_of(user)
    return client


def sign_in(page, email, password=PASSWORD):
    """Sign in as everybody does, on the sign-in page."""
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign In", exact=True).click()


def create_keys(page):
    """Create the keys of the open form; their page is there, and its scripts listen."""
    page.get_by_role("button", name="Create keys").click()
    page.get_by_label("Secret", exact=True).wait_for()
    page.wait_for_load_state()


def pasted(page):
    """What CTRL+V brings in another window of this browser: the clipboard as it is."""
    window = page.context.new_page()
    window.set_content("<textarea autofocus></textarea>")
    window.locator("textarea").press("Control+V")
    text = window.locator("textarea").input_value()
    window.close()
    return text


def troubles_of(page):
    """A list that grows with every error on the console of `page`, those of its security policy too."""
    troubles = []

    def note(message):
        refused = message.text.startswith("Failed to load resource")
        if message.type == "error" and not (refused and message.location["url"] == page.url):
            troubles.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    return troubles
