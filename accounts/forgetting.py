"""Forgetting a person: nothing is left that says who it was, save what docs/privacy.md names.

The row of the user stays, without name and address, for what refers to it. An app above that keeps something
of people registers with `forgets`.
"""

from datetime import timedelta

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from accounts.events.services import erase_name
from accounts.mail.models import Mail
from accounts.roles import Role

MAILS_KEPT = timedelta(days=30)
AT_ONCE = 500
_others = []


def forgets(forgetter):
    """Have `forgetter(user, addresses)` called, in the transaction, before a person is forgotten.

    `addresses` are proved to be the person's.
    """
    _others.append(forgetter)
    return forgetter


def forget(user, *, by=None) -> None:
    """Take the name, addresses, logins, sessions and mails of `user` out of the portal, and end the place.

    `user` is locked by the caller. The activity log keeps what was done, as by a former user (R53).
    """
    addresses = user.proved_addresses
    for forgetter in _others:
        forgetter(user, addresses)
    erase_name(user=user, by=by, addresses=addresses)
    _forget_desk(user, addresses)
    Mail.objects.filter(to__in=addresses).delete()
    for session in UserSession.objects.filter(user=user):
        session.end()
    user.first_name = user.last_name = ""
    user.last_login = None
    end_place(user)


@transaction.atomic
def forget_removed(*, user, by) -> bool:
    """Forget somebody whom an administrator has removed, for support; answers whether it was one."""
    user = user.__class__.objects.select_for_update(no_key=True).get(pk=user.pk)
    if user.removed_at is None:
        return False
    forget(user, by=by)
    return True


def end_place(user) -> None:
    """End what `user` has in the environment: logins, memberships and address; the name stays."""
    user.memberships.all().delete()
    user.notices.all().delete()
    EmailAddress.objects.filter(user=user).delete()
    Authenticator.objects.filter(user=user).delete()
    user.is_active, user.environment, user.role = False, None, Role.BASIC
    user.removed_at, user.blocked_at = user.removed_at or timezone.now(), None
    user.email = f"removed-{user.pk}@removed.invalid"
    user.session_epoch += 1
    user.set_unusable_password()
    user.save()


def _forget_desk(user, addresses):
    """Django's log of the support desk names what was changed there."""
    kind = ContentType.objects.get_for_model(user)
    about = Q(content_type=kind, object_id=str(user.pk)) | Q(object_repr__in=addresses)
    LogEntry.objects.filter(about).update(object_repr="", change_message="")


@transaction.atomic
def forget_mails() -> int:
    """Delete what left the outbox more than 30 days ago; answers how many mails."""
    before = timezone.now() - MAILS_KEPT
    old = Mail.objects.filter(Q(sent_at__lt=before) | Q(given_up_at__lt=before))
    found = list(old.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
    return Mail.objects.filter(pk__in=found).delete()[0]


@transaction.atomic
def forget_sessions() -> int:
    """Delete sessions that are over, and where they came from; answers how many."""
    over = list(
        Session.objects.filter(expire_date__lt=timezone.now()).values_list("pk", flat=True)[
            :AT_ONCE
        ]
    )
    Session.objects.filter(pk__in=over).delete()
    alive = Session.objects.filter(session_key=OuterRef("session_key"))
    UserSession.objects.filter(
        ~Exists(alive), last_seen_at__lt=timezone.now() - MAILS_KEPT
    ).delete()
    return len(over)
