"""Authorisation requests: asked, sent again, answered, withdrawn, expired (R29 to R33)."""

from collections import defaultdict
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.events.models import Action
from accounts.events.services import record, record_for
from accounts.mail.services import queue, tell
from accounts.models import Environment, Membership, Organisation, User
from accounts.refusals import refuse_blocked
from accounts.roles import Permission
from partners.models import (
    ActivationLink,
    AuthorisationRequest,
    Mandate,
    MandateApp,
    Partnership,
    digest_of,
    new_token,
)
from partners.refusals import (
    AccountantBlocked,
    AlreadyAsked,
    AlreadyClient,
    AlreadySent,
    CannotAnswerNow,
    NoAccountantRight,
    NotAddressed,
    NothingAllowed,
    NothingAsked,
    NotPending,
    NotYourOrganisation,
    OwnAddress,
    OwnOrganisation,
    RoleTooLow,
    TooManyMails,
    TooManyMailsToOne,
)

LIFE = timedelta(days=21)
WARNED_BEFORE = timedelta(days=5)
REMINDED_AFTER = timedelta(days=7)
REMINDED_AT_ONCE = 500
Status = AuthorisationRequest.Status


@transaction.atomic
def ask(
    *,
    client_name,
    email,
    country,
    registration_number,
    app,
    accountant_pays,
    functions,
    note="",
    language,
    replace=False,
    op_id,
    by,
) -> AuthorisationRequest:
    """Send the accountant's request `by` to a client; the mail carries a link for 21 days (R30).

    The client is named by the address and by the organisation's country and registration number; of
    `functions` those count that `app` asks for. `op_id` names the form: the same form sends once. A pending
    request of the same kind is replaced only when `replace` says so (R33).
    Raises EnvironmentBlocked, NoAccountantRight, AlreadySent, OwnAddress, OwnOrganisation, CannotAnswerNow,
    NothingAsked, AlreadyClient, AlreadyAsked, TooManyMails, TooManyMailsToOne.
    """
    environment = _locked_environment(by.environment_id)
    _refuse_second_click(op_id)
    if not environment.may_send_requests:
        raise NoAccountantRight
    email = email.lower()
    _refuse_oneself(environment, email, country, registration_number)
    _refuse_blocked_client(client_name, email, country, registration_number)
    functions = [name for name in app.functions if name in functions]
    if not functions:
        raise NothingAsked(app)
    who = {"country": country, "registration_number": registration_number}
    mandate = Mandate.objects.filter(accountant=environment, **who).first()
    pending = _pending_of(mandate, email, app)
    mandate = mandate and _locked_mandate(mandate.pk)  # an answer may have changed it meanwhile
    if mandate and mandate.is_active and set(functions) <= set(mandate.functions):
        raise AlreadyClient(mandate)
    if pending and pending.is_pending and not replace:
        raise AlreadyAsked(pending)
    _spend_mail(environment, email)
    if pending:
        _close(pending, Status.REPLACED if pending.is_pending else Status.EXPIRED)
    if mandate is None:
        mandate = Mandate(accountant=environment, **who)
    if not mandate.is_active:
        mandate.name, mandate.email = client_name, email
        mandate.save()
    request = AuthorisationRequest.objects.create(
        op_id=op_id,
        accountant=environment,
        mandate=mandate,
        app=app,
        asked_by=by,
        client_name=client_name,
        email=email,
        language=language,
        accountant_pays=accountant_pays,
        functions=functions,
        note=note,
        expires_at=timezone.now() + LIFE,
    )
    MandateApp.objects.update_or_create(mandate=mandate, app=app, defaults={"request": request})
    _send(request)
    _record(Action.REQUEST_SENT, request, by, email=email, functions=functions)
    return request


@transaction.atomic
def resend(*, request, by) -> None:
    """Send the request again with a fresh link and 21 new days; the earlier link is dead (R33).

    Raises EnvironmentBlocked, NotPending, NoAccountantRight, TooManyMails, TooManyMailsToOne.
    """
    environment = _locked_environment(request.accountant_id)
    if not environment.may_send_requests:
        raise NoAccountantRight
    request = _pending(request)
    _spend_mail(environment, request.email)
    _renew(request, by)


@transaction.atomic
def remind(*, by) -> int:
    """Send again what is `to_be_reminded` by this person and answer how many, at most 500 at once.

    A client who has had enough mails for today is left out. Raises EnvironmentBlocked, NoAccountantRight and
    TooManyMails.
    """
    environment = _locked_environment(by.environment_id)
    if not environment.may_send_requests:
        raise NoAccountantRight
    waiting = (
        _for_mail(to_be_reminded(by))
        .select_for_update(no_key=True, of=["self"])
        .order_by("sent_at", "pk")[:REMINDED_AT_ONCE]
    )
    reminded = 0
    for request in waiting:
        try:
            _spend_mail(environment, request.email)
        except TooManyMailsToOne:
            continue
        _renew(request, by)
        reminded += 1
    return reminded


def to_be_reminded(user):
    """What `user` sees, is pending and had its last mail more than 7 days ago (R35)."""
    waiting = AuthorisationRequest.objects.seen_by(user).open()
    return waiting.filter(sent_at__lt=timezone.now() - REMINDED_AFTER)


@transaction.atomic
def withdraw(*, request, by) -> None:
    """Take a pending request back; its link is dead (R33). Raises NotPending."""
    request = _pending(request)
    _close(request, Status.WITHDRAWN)
    _record(Action.REQUEST_WITHDRAWN, request, by)


@transaction.atomic
def accept(*, request, functions, by) -> Partnership:
    """Let the accountant in: the partnership is Active at once, and the asking user is a member (R32).

    `functions` are those that the client allows, of those asked; what it allowed before stays allowed.
    Raises EnvironmentBlocked, NotPending, NotAddressed, RoleTooLow, NotYourOrganisation, NothingAllowed,
    AccountantBlocked.
    """
    client = _locked_environment(by.environment_id)
    organisation = _organisation_asked(request, client, by)
    request = _answerable(request, by)
    if organisation is None:
        raise NotYourOrganisation(request.mandate)
    functions = [name for name in request.functions if name in functions]
    if not functions:
        raise NothingAllowed
    if not request.accountant.may_send_requests:
        raise AccountantBlocked(request.accountant)
    partnership, new = Partnership.objects.get_or_create(
        accountant=request.accountant, client=client, ended_at=None
    )
    _give(request, partnership, organisation, functions)
    _close(request, Status.ACTIVE, client, by)
    if request.asked_by.environment_id == request.accountant_id and request.asked_by.is_active:
        Membership.objects.get_or_create(
            user=request.asked_by, organisation=organisation, defaults={"created_by": by}
        )
    _record(Action.REQUEST_ACCEPTED, request, by, organisation=organisation, functions=functions)
    if new:
        sides = (partnership.accountant, partnership.client)
        record_for(sides, Action.PARTNERSHIP_STARTED, by=by, subject=partnership)
    context = {
        "request": request,
        "partnership": partnership,
        "organisation": organisation,
        "by": by,
    }
    refused = [name for name in request.functions if name not in functions]
    tell("request_accepted", _askers(request), refused=refused, **context)
    confirmed = {by, *User.objects.administrators_of(client)}
    tell("partnership_confirmed", confirmed, functions=functions, **context)
    return partnership


@transaction.atomic
def decline(*, request, by) -> None:
    """Say no; the asker is told (R32). Raises EnvironmentBlocked, NotPending, NotAddressed, RoleTooLow."""
    client = _locked_environment(by.environment_id)
    request = _answerable(request, by)
    _close(request, Status.DECLINED, client, by)
    _record(Action.REQUEST_DECLINED, request, by)
    tell("request_declined", _askers(request), request=request, by=by)


@transaction.atomic
def tell_administrators(*, request, by) -> None:
    """Tell the administrators once that a colleague has a request that the colleague may not answer."""
    told = AuthorisationRequest.objects.open().filter(pk=request.pk, told_at__isnull=True)
    if told.update(told_at=timezone.now()):
        record(Action.REQUEST_PASSED_ON, by=by, subject=request, environment=by.environment)
        administrators = User.objects.administrators_of(by.environment)
        tell("request_passed_on", administrators, request=request, by=by)


@transaction.atomic
def expire_due() -> int:
    """Close what is past its date and tell the askers, one mail each; answers how many. Twice is once."""
    due = list(
        _for_mail(AuthorisationRequest.objects.pending())
        .filter(expires_at__lte=timezone.now())
        .select_for_update(no_key=True, of=["self"], skip_locked=True)
        .order_by("expires_at")[:REMINDED_AT_ONCE]
    )
    for request in due:
        _close(request, Status.EXPIRED)
        _record(Action.REQUEST_EXPIRED, request, None)
    _tell_askers("requests_expired", due)
    return len(due)


@transaction.atomic
def warn_due() -> int:
    """Warn the askers of what expires within 5 days, each once in one mail for all (R30). Twice is once."""
    due = list(
        _for_mail(AuthorisationRequest.objects.open())
        .filter(warned_at__isnull=True, expires_at__lte=timezone.now() + WARNED_BEFORE)
        .select_for_update(no_key=True, of=["self"], skip_locked=True)
        .order_by("expires_at")
    )
    AuthorisationRequest.objects.filter(pk__in=[request.pk for request in due]).update(
        warned_at=timezone.now()
    )
    _tell_askers("requests_expire", due)
    return len(due)


def may_answer(request, user) -> bool:
    """Whether the request is addressed to `user`, or to a colleague of an administrator (R31)."""
    if request.email == user.email:
        return True
    if not user.is_administrator or user.environment_id is None:
        return False
    colleagues = User.objects.filter(environment=user.environment_id, joined_at__isnull=False)
    return colleagues.filter(email=request.email).exists()


def _locked_environment(pk):
    """The environment that asks or answers. Raises EnvironmentBlocked."""
    environment = Environment.objects.select_for_update(no_key=True).get(pk=pk)
    refuse_blocked(environment)
    return environment


def _refuse_second_click(op_id):
    earlier = AuthorisationRequest.objects.filter(op_id=op_id).first()
    if earlier:
        raise AlreadySent(earlier)


def _refuse_oneself(environment, email, country, registration_number):
    if User.objects.filter(environment=environment, email=email).exists():
        raise OwnAddress(email)
    own = environment.organisations.filter(
        country=country, registration_number=registration_number
    ).first()
    if own:
        raise OwnOrganisation(own)


def _refuse_blocked_client(client_name, email, country, registration_number):
    """Who is asked for its organisation, or as a person, is of an environment that support has blocked."""
    blocked = Environment.objects.filter(blocked_at__isnull=False)
    organisation = Organisation.objects.filter(
        country=country, registration_number=registration_number, environment__in=blocked
    )
    if organisation.exists() or User.objects.filter(email=email, environment__in=blocked).exists():
        raise CannotAnswerNow(client_name)


def _pending_of(mandate, email, app):
    if mandate is None:
        return None
    found = AuthorisationRequest.objects.pending().filter(mandate=mandate, email=email, app=app)
    return found.select_for_update(no_key=True, of=["self"]).select_related("app").first()


def _for_mail(requests):
    return requests.select_related("accountant", "mandate", "app", "asked_by")


def _locked(request):
    return _for_mail(AuthorisationRequest.objects.select_for_update(no_key=True, of=["self"])).get(
        pk=request.pk
    )


def _locked_mandate(pk):
    return Mandate.objects.select_for_update(no_key=True).get(pk=pk)


def _pending(request):
    """The request, nobody else's to change now. Raises NotPending."""
    request = _locked(request)
    if not request.is_pending:
        raise NotPending(request)
    return request


def _answerable(request, by):
    request = _pending(request)
    if not may_answer(request, by):
        raise NotAddressed(request)
    if not by.may(Permission.ANSWER_REQUESTS):
        raise RoleTooLow
    return request


def _organisation_asked(request, client, by):
    """The organisation that the request is for, locked, when it is the client's and `by` is a member."""
    return (
        Organisation.objects.select_for_update(no_key=True, of=["self"])
        .filter(
            environment=client,
            country=request.mandate.country,
            registration_number=request.mandate.registration_number,
            memberships__user=by,
        )
        .first()
    )


def _give(request, partnership, organisation, functions):
    mandate = _locked_mandate(request.mandate_id)
    earlier = mandate.functions if mandate.is_active else []
    mandate.functions = [*earlier, *(name for name in functions if name not in earlier)]
    mandate.partnership, mandate.organisation = partnership, organisation
    mandate.name, mandate.email = organisation.name, request.email
    mandate.accountant_pays = request.accountant_pays
    mandate.kept_out.remove(request.asked_by)  # the client lets in who asked, and nobody else
    mandate.given_at, mandate.ended_at = timezone.now(), None
    mandate.save()


def _close(request, status, client=None, by=None):
    request.status, request.closed_at = status, timezone.now()
    request.client, request.answered_by = client, by
    request.save(update_fields=["status", "closed_at", "client", "answered_by"])


def _renew(request, by):
    request.sent_at = timezone.now()
    request.expires_at, request.warned_at = request.sent_at + LIFE, None
    request.save(update_fields=["sent_at", "expires_at", "warned_at"])
    _send(request)
    _record(Action.REQUEST_RESENT, request, by)


def _send(request):
    token = new_token()
    ActivationLink.objects.create(
        request=request,
        accountant_id=request.accountant_id,
        email=request.email,
        digest=digest_of(token),
    )
    client = User.objects.filter(email=request.email, is_active=True).first()
    path = reverse("partners:activation", kwargs={"token": token})
    queue(
        "request",
        to=request.email,
        language=client.language if client else request.language,
        request=request,
        user=client,
        url=settings.PORTAL_BASE_URL + path,
    )


def _spend_mail(environment, email):
    """Whoever may send could bomb an address with mails, so both are counted."""
    if not ActivationLink.objects.left_today(environment):
        raise TooManyMails(settings.REQUEST_MAILS_PER_DAY)
    today = ActivationLink.objects.of_today(environment)
    if today.filter(email=email).count() >= settings.REQUEST_MAILS_PER_ADDRESS_AND_DAY:
        raise TooManyMailsToOne(email, settings.REQUEST_MAILS_PER_ADDRESS_AND_DAY)


def _record(action, request, by, *, organisation=None, **details):
    """One event for each side that is known already."""
    sides = filter(None, (request.accountant, request.client))
    record_for(sides, action, by=by, subject=request, organisation=organisation, **details)


def _askers(request):
    """Who asked; where that person has left, the administrators of the accountant."""
    asker = request.asked_by
    if asker.is_active and asker.environment_id == request.accountant_id:
        return {asker}
    return set(User.objects.administrators_of(request.accountant))


def _tell_askers(template, requests):
    of_asker = defaultdict(list)
    for request in requests:
        for user in _askers(request):
            of_asker[user].append(request)
    for user, theirs in of_asker.items():
        tell(template, [user], requests=theirs, count=len(theirs))
