"""What the rows of the overview say (portal.rows)."""

from functools import lru_cache

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from connections.models import Connection
from portal.prepared import Prepared, given_list
from portal.rows import Row
from portal.templatetags.ui import ago

PAGE = 50  # connections
_OF_ENVIRONMENT = ["name", "plan", "integrations_at", "blocked_at"]
_SAID = [
    *["created_at", "number", "kind", "name", "access", "functions", "paused_at", "revoked_at"],
    *["app__name", "app__environment", "app__functions", "app__logo__digest"],
    *["owner__role", "owner__is_active", "owner__environment"],
    *["organisation__name", "organisation__organisation_id"],
    *[f"organisation__environment__{name}" for name in _OF_ENVIRONMENT],
    *[f"mandate__{name}" for name in ("given_at", "ended_at", "accountant_pays", "functions")],
    *[f"mandate__accountant__{name}" for name in _OF_ENVIRONMENT],
]
_LISTED = Prepared(
    lambda: Connection.objects.for_list().only(*_SAID).filter(pk__in=given_list("them", PAGE))
)


def listed(numbers):
    """The connections of these primary keys, at most a page, by them: with all that a row says."""
    return {it.pk: it for it in _LISTED.rows(them=numbers)}


def rows_of(connections, reader, csrf_token, organisation=None):
    """The rows of these `listed` connections for `reader`.

    `organisation` is the one whose page it is, None on the page of all of them.
    """
    return [
        Row(
            _kind(connection, reader, organisation),
            {
                **_texts(connection),
                "logo": _logo(connection.app),
                "csrf_token": csrf_token,
            },
        )
        for connection in connections
    ]


def _logo(app):
    logo = getattr(app, "logo", None)
    return _logo_of(app.name, logo.digest if logo else None)


@lru_cache(1000)
def _logo_of(name, digest):
    url = reverse("connections:logo", kwargs={"digest": digest}) if digest else None
    app = {"name": name, "logo_url": url}
    return render_to_string("components/_app_logo.html", {"app": app})


def _kind(connection, reader, organisation):
    stands, is_autopilot = connection.stands, connection.is_autopilot
    return {
        "of_one_organisation": organisation is not None,
        "is_named": connection.name != connection.app.name,
        "is_generic": connection.app.is_generic,
        "is_made_elsewhere": connection.made_by.pk != reader.environment_id,
        "is_autopilot": is_autopilot,
        "has_app_key": bool(connection.app_key),
        "status": connection.status,
        "is_revoked": connection.is_revoked,
        "is_paused": connection.paused_at is not None,
        "may_manage": connection.is_managed_by(reader),
        "may_have_keys": stands and not is_autopilot,
        "may_rotate": stands
        and not is_autopilot
        and not connection.older_end_at
        and not connection.keys_ended,
        "needs_another_owner": connection.needs_another_owner,
        "has_accesses": connection.owner_stands and not is_autopilot,
    }


def _texts(connection):
    app_key = connection.app_key or ""
    return {
        "pk": connection.pk,
        "connection": connection.name,
        "number": connection.number,
        "organisation": connection.organisation.name,
        "organisation_id": connection.organisation.organisation_id,
        "app": connection.app.name,
        "app_pk": connection.app_id,
        "environment": connection.made_by.name,
        "app_key": app_key,
        "app_key_starts": app_key[:9],
        "app_key_ends": app_key[-4:],
        "opens": capfirst(connection.opens) or _("Nothing"),
        "last_used": ago(connection.last_used_at) or _("never used"),
    }
