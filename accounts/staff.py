"""Support staff: who they are, in which groups, and how they come and go (docs/support.md).

Services as in accounts.services: one transaction with its event and mails, `by` is the acting member.
"""

from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.events.models import Action
from accounts.events.services import record
from accounts.forgetting import end_place
from accounts.mail.models import Mail
from accounts.mail.services import LEASE
from accounts.models import Environment, User
from accounts.refusals import (
    AccessOfOneself,
    NotStaff,
    SentAlready,
    TriedSoon,
)
from accounts.services import mail_invitation, new_login, resend_invitation

SUPPORT, PUBLISHER = "support", "publisher"
LABELS = {
    SUPPORT: _("Support: look into environments and mend"),
    PUBLISHER: _("Publisher: Generic Apps, added functions and gateways"),
}
# What the groups may do, by app. To `change` a connection is to end it, to `change` a mail to send it again.
GRANTS = {
    SUPPORT: {
        "accounts": [
            *("view_environment", "change_environment", "view_organisation", "change_organisation"),
            *("view_user", "change_user", "view_membership", "view_electronicaddress"),
            *("add_electronicaddress", "change_electronicaddress", "delete_electronicaddress"),
        ],
        "events": ["view_event"],
        "mail": ["view_mail", "change_mail"],
        "partners": ["view_authorisationrequest", "view_partnership", "view_mandate"],
        "connections": [
            *("view_app", "view_connection", "change_connection"),
            *("view_keyset", "view_refusedcall"),
        ],
        "invoices": ["view_invoice", "view_offer"],
        "autopilot": ["view_autopilot", "view_push", "view_attempt"],
    },
    PUBLISHER: {
        "connections": [
            f"{what}_{model}"
            for model in ("app", "addedfunction", "gateway")
            for what in ("add", "change", "view")
        ],
    },
}


def make_groups(sender, using, **kwargs) -> None:
    """After every migration: the groups have exactly the permissions of GRANTS on the models of this app."""
    for name, grants in GRANTS.items():
        if sender.label not in grants:
            continue
        create_permissions(sender, verbosity=0, using=using)  # Django may be about to
        group, _new = Group.objects.using(using).get_or_create(name=name)
        of_app = Permission.objects.using(using).filter(content_type__app_label=sender.label)
        wanted = of_app.filter(codename__in=grants[sender.label])
        group.permissions.remove(*of_app.exclude(codename__in=grants[sender.label]))
        group.permissions.add(*wanted)


@transaction.atomic
def invite_staff(*, email, first_name, last_name, groups, by) -> User:
    """Make a member of support in these groups; the mail carries a link to set a password, for 14 days.

    Raises AddressInUse when the address has a login.
    """
    user = new_login(
        email, first_name=first_name, last_name=last_name, is_staff=True, language=by.language
    )
    user.groups.set(groups)
    record(
        Action.STAFF_ADDED, by=by, subject=user, environment=None, groups=[it.name for it in groups]
    )
    mail_invitation(user, by)
    return user


@transaction.atomic
def invite_again(*, user, by) -> None:
    """Send a member of support who has not joined yet a fresh link; the earlier one is dead.

    Raises NotStaff and InvitationDead.
    """
    resend_invitation(user=_locked(user), by=by)


@transaction.atomic
def change_groups(*, user, groups, by) -> None:
    """Put a member of support into exactly these groups, which holds from the next click. Raises NotStaff."""
    user = _locked(user)
    before = set(user.groups.values_list("name", flat=True))
    after = {group.name for group in groups}
    if before == after:
        return
    user.groups.set(groups)
    record(
        Action.STAFF_CHANGED,
        by=by,
        subject=user,
        environment=None,
        added=sorted(after - before),
        removed=sorted(before - after),
    )


@transaction.atomic
def end_access(*, user, by) -> None:
    """End the login of a member of support with all sessions, at once; the name stays in the logs.

    Raises NotStaff, and AccessOfOneself, so that there is always somebody left.
    """
    if user == by:
        raise AccessOfOneself
    user = _locked(user)
    user.is_staff = user.is_superuser = False
    user.groups.clear()
    user.user_permissions.clear()
    record(Action.STAFF_ENDED, by=by, subject=user, environment=None)
    end_place(user)


@transaction.atomic
def send_again(*, mail, by) -> None:
    """Have a mail that waits or was given up tried now, and for three more days after that.

    Raises SentAlready: what was handed over may carry a link or a code that is dead by now. Raises TriedSoon
    where the worker has it in hand, or will within two minutes.
    """
    mail = Mail.objects.select_for_update(no_key=True).get(pk=mail.pk)
    if mail.sent_at:
        raise SentAlready(mail)
    if not mail.given_up_at and mail.send_after <= timezone.now() + LEASE:
        raise TriedSoon
    mail.given_up_at, mail.attempts, mail.send_after = None, 0, timezone.now()
    mail.save(update_fields=["given_up_at", "attempts", "send_after"])
    for reader in User.objects.filter(email__iexact=mail.to).select_related("environment"):
        record(Action.MAIL_SENT_AGAIN, by=by, subject=reader, environment=reader.environment)


def readers_of(mails):
    """The environments of the people to whose addresses these mails go."""
    addresses = {mail.to.lower() for mail in mails}
    return Environment.objects.filter(
        pk__in=User.objects.filter(email__in=addresses).values("environment")
    )


def _locked(user):
    user = User.objects.select_for_update(no_key=True, of=["self"]).get(pk=user.pk)
    if not user.is_staff or user.removed_at:
        raise NotStaff
    return user
