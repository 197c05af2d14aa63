"""Test connection, from the portal's side (R24)."""

from django.conf import settings
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from accounts.access import Line, organisation_page
from accounts.roles import Permission
from connections.models import CallCount, KeySet
from connections.views.connection import connection_of, is_trouble, refusals_of


@organisation_page(Permission.MANAGE_KEYS)
@require_safe
def test(request, organisation, number):
    """Test connection, from the portal's side (R24)."""
    connection = connection_of(organisation, number)
    if connection.is_autopilot:
        return redirect("autopilot:test", organisation=organisation.organisation_id, number=number)
    lines = conditions(connection)
    calls = CallCount.objects.of(connection).select_related("key_set").order_by("-last_at")
    context = {
        "connection": connection,
        "lines": lines,
        "ok": all(line.ok for line in lines),
        "last_good": calls.filter(code="").first(),
        "last_bad": calls.refused().first(),
        "base_url": settings.PORTAL_BASE_URL,
    }
    return render(request, "connections/test.html", context)


def conditions(connection) -> list[Line]:
    """The lines of "Test connection": what must hold, and what to do where it does not (R24)."""
    opened = len(connection.rights.effective())
    calls = CallCount.objects.of(connection)
    good = calls.filter(code="").exists()
    troubles = sum(
        refusal.calls for refusal in refusals_of(connection, calls) if is_trouble(refusal)
    )
    lines = [
        _line(
            connection.key_sets.live().exists(),
            _("The keys are active."),
            _why_ended(connection),
            _("Create a new connection: a revoked one never comes back.")
            if connection.is_revoked
            else _("Create new keys for this connection."),
        ),
        _line(
            not connection.paused_at,
            _("The connection is not paused."),
            _("The connection is paused."),
            _("Resume it on the page of the connection; the keys stay the same."),
        ),
        *conditions_of_owner(connection),
        connection.owner_stands
        and _line(
            opened > 0,
            ngettext(
                "The keys open %(count)s API function.",
                "The keys open %(count)s API functions.",
                opened,
            )
            % {"count": opened},
            _("The keys open no API function."),
            _("Edit the accesses of the connection, or the permissions of its app."),
        ),
        _line(
            good,
            _("The software has called with success."),
            _("The software has not called with success yet."),
            _("Enter both keys in the software, then use its own button to test the connection."),
        ),
        _line(
            not troubles,
            _("No refused call waits to be mended."),
            ngettext(
                "%(count)s call was refused today.",
                "%(count)s calls were refused today.",
                troubles,
            )
            % {"count": troubles},
            _("The page of the connection says why, and what to do."),
        ),
    ]
    return [line for line in lines if line]


def _why_ended(connection):
    if connection.is_revoked:
        return _("The keys are revoked.")
    expired = connection.keys_ended == KeySet.Retired.EXPIRED
    return _("The keys have expired.") if expired else _("The keys were found and ended.")


def _why_the_owner_does_not_stand(connection):
    owner = {"owner": connection.owner.get_full_name()}
    if connection.owner.blocked_at:
        return (
            _("The owner, %(owner)s, is blocked.") % owner,
            _(
                "An administrator unblocks this person, or takes the connection over; "
                "it gets new keys then."
            ),
        )
    return (
        _("The owner, %(owner)s, is no longer a member with the right role.") % owner,
        _(
            "An administrator gives the role and the membership back, or takes the connection over; "
            "it gets new keys then."
        ),
    )


def conditions_of_owner(connection) -> list[Line]:
    """Those that hold for every connection, however it works: its owner, who pays, no block."""
    owner = {"owner": connection.owner.get_full_name()}
    payer = {"payer": connection.paid_by.name}
    return [
        _line(
            connection.owner_stands,
            _("The owner, %(owner)s, is a member with the right role.") % owner,
            *_why_the_owner_does_not_stand(connection),
        ),
        _line(
            connection.paid_by.has_integrations,
            _("The Integrations service of %(payer)s is active.") % payer,
            _("The Integrations service of %(payer)s is not active.") % payer,
            _("An administrator there activates it, under Environment."),
        ),
        _line(
            not connection.blocked,
            _("The environment is not blocked."),
            _("Support has blocked %(environment)s.") % {"environment": connection.blocked},
            _("An administrator takes the connection over, or you wait until support unblocks it.")
            if connection.needs_another_owner
            else _("Wait until support unblocks it: the keys work again then."),
        ),
    ]


def _line(ok, holds, fails, how):
    return Line(True, holds) if ok else Line(False, fails, how)
