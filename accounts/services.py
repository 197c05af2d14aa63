"""What people do with environments, organisations and each other.

Every service is one transaction with its event and its mails; `by` is the acting user. A service that says
no raises a `Refused` whose text is a sentence for that person.
"""

from copy import copy

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core import signing
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.events.models import Action
from accounts.events.services import record
from accounts.events.words import login_change
from accounts.forgetting import end_place, forget
from accounts.mail.services import queue, tell
from accounts.models import (
    ElectronicAddress,
    Environment,
    Membership,
    Organisation,
    User,
)
from accounts.refusals import (
    AddressInUse,
    InvitationDead,
    LastAdministrator,
    LastAdministratorLeaves,
    RegistrationNumberInUse,
    RemovedMeanwhile,
    refuse_blocked,
)
from accounts.refusals import Refused as Refused
from accounts.registration import REGISTRATION
from accounts.roles import Role

INVITATION_SECONDS = 14 * 24 * 3600
_INVITATION_SALT = "accounts.invitation"


@transaction.atomic
def sign_up(*, user, environment_name) -> User:
    """Save `user`, new and unsaved, as administrator of a new environment of that name (R1)."""
    user.environment = Environment.objects.create(name=environment_name)
    user.role = Role.ADMINISTRATOR
    user.joined_at = timezone.now()
    user.save()
    record(
        Action.ENVIRONMENT_CREATED, by=user, subject=user.environment, environment=user.environment
    )
    return user


@transaction.atomic
def invite(*, environment, email, role, organisations, by) -> User:
    """Invite `email` as a user with `role` and memberships; the mail carries a link for 14 days.

    Raises AddressInUse when the address has a login, here or elsewhere, and EnvironmentBlocked.
    """
    environment = Environment.objects.select_for_update(no_key=True).get(pk=environment.pk)
    refuse_blocked(environment)
    user = new_login(email, environment=environment, role=role, language=by.language)
    _set_memberships(user, organisations, by)
    record(Action.USER_INVITED, by=by, subject=user, environment=environment, role=role)
    mail_invitation(user, by)
    return user


def new_login(email, **values) -> User:
    """Save a user with the address `email` who cannot sign in yet. Raises AddressInUse."""
    email = email.lower()
    if (
        User.objects.filter(email__iexact=email).exists()
        or EmailAddress.objects.filter(email__iexact=email).exists()
    ):
        raise AddressInUse(email)
    try:
        with transaction.atomic():
            return User.objects.create_user(email, **values)
    except IntegrityError:  # somebody else was quicker
        raise AddressInUse(email) from None


@transaction.atomic
def resend_invitation(*, user, by) -> None:
    """Send a fresh link; the earlier one is dead. Refuses, by InvitationDead, who has joined already.

    Raises EnvironmentBlocked too.
    """
    user = _locked(user)
    refuse_blocked(user.environment)
    if user.status != User.Status.INVITED:
        raise InvitationDead
    user.session_epoch += 1
    user.save(update_fields=["session_epoch"])
    record(Action.USER_INVITED, by=by, subject=user, environment=user.environment, again=True)
    mail_invitation(user, by)


def invitation_token(user) -> str:
    """Make the token of an invitation link: signed, for 14 days, dead once used or resent."""
    return signing.dumps({"user": user.pk, "epoch": user.session_epoch}, salt=_INVITATION_SALT)


def invited_user(token) -> User:
    """Answer whom the token of an invitation link invites; raises InvitationDead and EnvironmentBlocked."""
    try:
        claim = signing.loads(token, salt=_INVITATION_SALT, max_age=INVITATION_SECONDS)
    except signing.BadSignature:
        raise InvitationDead from None
    user = (
        User.objects.select_related("environment").filter(pk=claim["user"], is_active=True).first()
    )
    if user is None or user.status != User.Status.INVITED or user.session_epoch != claim["epoch"]:
        raise InvitationDead
    refuse_blocked(user.environment)
    return user


@transaction.atomic
def accept_invitation(*, token, first_name, last_name, password, language) -> User:
    """Turn an invitation into a login with a verified address; raises InvitationDead, EnvironmentBlocked."""
    user = _locked(invited_user(token))
    invited_user(token)  # again, now that nobody else can be using it
    user.first_name, user.last_name, user.language = first_name, last_name, language
    user.set_password(password)
    user.save()
    EmailAddress.objects.update_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )
    join(user=user)
    return user


@transaction.atomic
def join(*, user) -> None:
    """Note that an invited person has come in, and tell the administrators; nothing for everybody else."""
    if (
        User.objects.filter(pk=user.pk, joined_at__isnull=True).update(joined_at=timezone.now())
        and user.environment
    ):
        record(Action.USER_JOINED, by=user, subject=user, environment=user.environment)
        administrators = User.objects.administrators_of(user.environment).exclude(pk=user.pk)
        tell("user_joined", administrators, person=user)


@transaction.atomic
def change_role(*, user, role, by) -> None:
    """Give `user` another role and end the user's sessions, so that it holds from the next login (R2).

    Somebody who is only invited has no session, and keeps the link. Raises LastAdministrator (R1).
    """
    user = _locked(user)
    if role == user.role:
        return
    _keep_an_administrator(user)
    before, user.role = user.role, role
    user.session_epoch += 1 if user.joined_at else 0
    user.save(update_fields=["role", "session_epoch"])
    record(
        Action.USER_ROLE_CHANGED,
        by=by,
        subject=user,
        environment=user.environment,
        **{"from": before, "to": role},
    )
    if user.joined_at:
        tell("role_changed", [user], by=by)


@transaction.atomic
def block(*, user, by) -> None:
    """Keep `user` out, at once and until unblocked; the keys this user owns stop (R7).

    Raises LastAdministrator.
    """
    user = _locked(user)
    if user.blocked_at:
        return
    _keep_an_administrator(user)
    user.is_active, user.blocked_at = False, timezone.now()
    user.session_epoch += 1
    user.save(update_fields=["is_active", "blocked_at", "session_epoch"])
    record(Action.USER_BLOCKED, by=by, subject=user, environment=user.environment)
    tell("user_blocked", [user], by=by)


@transaction.atomic
def unblock(*, user, by) -> None:
    """Let a blocked user in again."""
    user = _locked(user)
    if not user.blocked_at:
        return
    user.is_active, user.blocked_at = True, None
    user.save(update_fields=["is_active", "blocked_at"])
    record(Action.USER_UNBLOCKED, by=by, subject=user, environment=user.environment)


@transaction.atomic
def remove(*, user, by) -> None:
    """End the place of `user` in the environment: logins, memberships, notices and address go.

    The name stays in the log. The keys this user owns stop at once (R7). Raises LastAdministrator.
    """
    user = _locked(user)
    environment, email = user.environment, user.email
    _keep_an_administrator(user)
    record(Action.USER_REMOVED, by=by, subject=user, environment=environment)
    queue(
        "user_removed", to=email, language=user.language, user=user, environment=environment, by=by
    )
    end_place(user)


@transaction.atomic
def delete_account(*, user) -> None:
    """Delete the account of `user`, by that person: the place here, and all that says who it was (R7).

    The keys this user owns stop at once; the address is free again. The environment of somebody who was alone
    in it, without organisations and clients, is closed too. Raises LastAdministratorLeaves, or
    EnvironmentBlocked.
    """
    user = _locked(user)
    environment = user.environment
    if _is_last_administrator(user):
        _close_what_is_empty(environment, user)
    record(Action.ACCOUNT_DELETED, by=user, subject=user, environment=environment)
    told = list(User.objects.administrators_of(environment).exclude(pk=user.pk))
    was = copy(user)
    forget(user)
    queue("account_deleted", to=was.email, language=was.language, user=was, environment=environment)
    tell("colleague_left", told, person=was, environment=environment)


@transaction.atomic
def set_organisations(*, user, organisations, by) -> None:
    """Make `user` a member of exactly these organisations of the user's environment."""
    user = _locked(user)
    before = set(_own_memberships(user).values_list("organisation__organisation_id", flat=True))
    _set_memberships(user, organisations, by)
    after = {organisation.organisation_id for organisation in organisations}
    if before != after:
        record(
            Action.USER_ORGANISATIONS_CHANGED,
            by=by,
            subject=user,
            environment=user.environment,
            added=sorted(after - before),
            removed=sorted(before - after),
        )


@transaction.atomic
def change_profile(*, user, **values) -> None:
    """Store the person's own names, language or groups of mails switched off (R54, R56, R57)."""
    changed = [name for name, value in values.items() if getattr(user, name) != value]
    if not changed:
        return
    for name in changed:
        setattr(user, name, values[name])
    user.save(update_fields=changed)
    if user.environment:
        record(
            Action.PROFILE_CHANGED,
            by=user,
            subject=user,
            environment=user.environment,
            changed=sorted(changed),
        )


@transaction.atomic
def note_login_change(*, user, method, to=None, **origin) -> None:
    """Record that a login method changed, and tell the person; `method` is allauth's name for what changed.

    `to` is the earlier address, where that changed. `origin` says from where (`ip`, `browser`), and `about`
    from what to what.
    """
    if user.environment:
        record(
            Action.LOGIN_CHANGED, by=user, subject=user, environment=user.environment, method=method
        )
    tell("login_changed", [user], to=to, what=login_change(method), **origin)


@transaction.atomic
def add_organisation(*, organisation, by) -> Organisation:
    """Save `organisation`, new and unsaved, with the address that its registration number gives it.

    `by` becomes its member. Raises RegistrationNumberInUse.
    """
    organisation.environment = by.environment
    try:
        with transaction.atomic():
            organisation.save()
    except IntegrityError:
        raise RegistrationNumberInUse from None
    _pattern, scheme, _message = REGISTRATION[organisation.country]
    ElectronicAddress.objects.get_or_create(
        value=f"{scheme}:{organisation.registration_number}",
        defaults={"organisation": organisation},
    )
    Membership.objects.create(user=by, organisation=organisation, created_by=by)
    record(
        Action.ORGANISATION_ADDED,
        by=by,
        subject=organisation,
        environment=organisation.environment,
        organisation=organisation,
    )
    return organisation


@transaction.atomic
def change_organisation(*, organisation, by, changed) -> None:
    """Store what a form changed on `organisation`; `changed` names the fields."""
    if not changed:
        return
    organisation.save(update_fields=changed)
    record(
        Action.ORGANISATION_CHANGED,
        by=by,
        subject=organisation,
        environment=organisation.environment,
        organisation=organisation,
        changed={name: getattr(organisation, name) for name in changed},
    )


def _locked(user) -> User:
    """The row of `user`, nobody else's to change now; its environment is locked first, so that two
    administrators who lower each other take turns."""
    Environment.objects.select_for_update(no_key=True).filter(pk=user.environment_id).first()
    user = (
        User.objects.select_for_update(no_key=True, of=["self"])
        .select_related("environment")
        .get(pk=user.pk)
    )
    if user.removed_at:
        raise RemovedMeanwhile
    return user


def _keep_an_administrator(user):
    if _is_last_administrator(user):
        raise LastAdministrator


def _is_last_administrator(user):
    if not (user.is_administrator and user.is_active):
        return False
    others = User.objects.administrators_of(user.environment).exclude(pk=user.pk)
    return not others.filter(joined_at__isnull=False).exists()


def _close_what_is_empty(environment, last):
    """Close the environment that its last person leaves. Raises LastAdministratorLeaves.

    What that sentence proposes cannot be done while support blocks the environment: EnvironmentBlocked.
    """
    others = environment.users.exclude(pk=last.pk)
    if any(left.exists() for left in (others, environment.organisations, environment.mandates)):
        refuse_blocked(environment)
        raise LastAdministratorLeaves
    environment.closed_at = timezone.now()
    environment.save(update_fields=["closed_at"])
    record(Action.ENVIRONMENT_CLOSED, by=last, subject=environment, environment=environment)


def _own_memberships(user):
    return user.memberships.filter(organisation__environment=user.environment)


def _set_memberships(user, organisations, by):
    _own_memberships(user).exclude(organisation__in=organisations).delete()
    Membership.objects.bulk_create(
        [
            Membership(user=user, organisation=organisation, created_by=by)
            for organisation in organisations
        ],
        ignore_conflicts=True,
    )


def mail_invitation(user, by) -> None:
    """Mail the link by which an invited person, or a member of support, sets a name and a password."""
    path = reverse("accounts:invitation", kwargs={"token": invitation_token(user)})
    queue(
        "staff_invitation" if user.is_staff else "invitation",
        to=user.email,
        language=user.language,
        user=user,
        by=by,
        environment=user.environment,
        organisations=Organisation.objects.reachable_by(user).in_words(),
        url=settings.PORTAL_BASE_URL + path,
    )
