"""Own Apps of an environment (R11)."""

import hashlib

from django.db import IntegrityError, transaction

from accounts.events.models import Action
from accounts.events.services import record
from connections.models import App, AppLogo
from connections.refusals import NameTaken


@transaction.atomic
def create_own_app(*, environment, name, functions, logo=None, autopilot_url="", by) -> App:
    """Make an Own App of `environment` (R11). `logo` is PNG bytes that we encoded. Raises NameTaken.

    `autopilot_url` has passed portal.outgoing.validate_address; without it the app offers no Autopilot.
    """
    app = _saved_app(
        App(
            environment=environment,
            name=name,
            functions=functions,
            autopilot_url=autopilot_url,
        )
    )
    store_logo(app, logo)
    record(Action.OWN_APP_CREATED, by=by, subject=app, environment=environment, functions=functions)
    return app


@transaction.atomic
def change_own_app(*, app, name, functions, logo=None, autopilot_url=None, by) -> None:
    """Change name, permissions and, when given, logo and address; acts on the next call, or push (R11).

    Raises NameTaken.
    """
    app = App.objects.select_for_update(no_key=True).get(pk=app.pk)
    before = app.functions
    app.name, app.functions = name, functions
    moved = autopilot_url is not None and autopilot_url != app.autopilot_url
    if moved:
        app.autopilot_url = autopilot_url
    _saved_app(app)
    store_logo(app, logo)
    record(
        Action.OWN_APP_CHANGED,
        by=by,
        subject=app,
        environment=app.environment,
        added=[f for f in functions if f not in before],
        removed=[f for f in before if f not in functions],
        address=(autopilot_url or "–") if moved else "",
    )


def store_logo(app, png) -> None:
    """Keep `png`, which we encoded ourselves, as the logo of `app`; None keeps the one it has."""
    if png:
        digest = hashlib.sha256(png).hexdigest()[:32]
        AppLogo.objects.update_or_create(app=app, defaults={"png": png, "digest": digest})


def _saved_app(app):
    try:
        with transaction.atomic():
            app.save()
    except IntegrityError:
        raise NameTaken(app.name) from None
    return app
