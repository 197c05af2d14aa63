"""The people of an environment: who they are, what they may, and their coming and going."""

from functools import partial

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import services
from accounts.access import environment_page
from accounts.events.models import Action, Event
from accounts.forms import InviteForm, OrganisationsForm, RoleForm, UsersFilterForm
from accounts.ripples import ask_first, rehearse, shown
from accounts.roles import Permission
from portal.htmx import render_part
from portal.paging import page_of

EVENTS_SHOWN = 10


@environment_page(Permission.MANAGE_USERS)
@require_safe
def users(request):
    filters = UsersFilterForm(request.GET)
    found = filters.narrow(request.user.environment.users.with_number_of_organisations())
    context = {"filters": filters, "page": page_of(request, found, by="last_name")}
    return render_part(request, "accounts/users.html", "accounts/_users.html", context)


@environment_page(Permission.MANAGE_USERS)
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request):
    environment = request.user.environment
    if request.method != "POST":
        return _invite_page(request, InviteForm(environment=environment), status=200)
    form = InviteForm(request.POST, environment=environment)
    if not form.is_valid():
        return _invite_page(request, form, status=422)
    try:
        user = services.invite(environment=environment, by=request.user, **form.cleaned_data)
    except services.Refused as refused:
        form.add_error("email", str(refused))
        return _invite_page(request, form, status=409)
    messages.success(
        request, _("The invitation is on its way to %(email)s.") % {"email": user.email}
    )
    return redirect("accounts:users")


@environment_page(Permission.MANAGE_USERS)
@require_safe
def user(request, pk):
    return _user_page(request, _user(request, pk))


@environment_page(Permission.MANAGE_USERS)
@require_POST
def role(request, pk):
    user = _user(request, pk)
    form = RoleForm(request.POST)
    if not form.is_valid():
        return _user_page(request, user, status=422, role_form=form)
    try:
        question = ask_first(
            request,
            partial(services.change_role, user=user, by=request.user, **form.cleaned_data),
            about=user,
            title=_("Change the role of %(name)s?") % {"name": user},
            button=_("Change role"),
            back=user.get_absolute_url(),
        )
    except services.Refused as refused:
        form.add_error("role", str(refused))
        return _user_page(request, user, status=409, role_form=form)
    if question:
        return question
    messages.success(
        request,
        _("The role is changed and %(name)s is signed out everywhere.") % {"name": user},
    )
    return redirect(user)


@environment_page(Permission.MANAGE_USERS)
@require_POST
def organisations(request, pk):
    user = _user(request, pk)
    form = OrganisationsForm(request.POST, environment=request.user.environment)
    if not form.is_valid():
        return _user_page(request, user, status=422, organisations_form=form)
    try:
        question = ask_first(
            request,
            partial(services.set_organisations, user=user, by=request.user, **form.cleaned_data),
            about=user,
            title=_("Change the organisations of %(name)s?") % {"name": user},
            button=_("Save organisations"),
            back=user.get_absolute_url(),
        )
    except services.Refused as refused:
        form.add_error("organisations", str(refused))
        return _user_page(request, user, status=409, organisations_form=form)
    if question:
        return question
    messages.success(request, _("The organisations of %(name)s are changed.") % {"name": user})
    return redirect(user)


@environment_page(Permission.MANAGE_USERS)
@require_POST
def block(request, pk):
    user = _user(request, pk)
    try:
        question = ask_first(
            request,
            partial(services.block, user=user, by=request.user),
            about=user,
            title=_("Block %(name)s?") % {"name": user},
            button=_("Block"),
            back=user.get_absolute_url(),
        )
    except services.Refused as refused:
        return _user_page(request, user, status=409, refused=refused)
    if question:
        return question
    messages.success(request, _("%(name)s is blocked.") % {"name": user})
    return redirect(user)


@environment_page(Permission.MANAGE_USERS)
@require_POST
def unblock(request, pk):
    return _done(request, pk, services.unblock, _("%(name)s can sign in again."))


@environment_page(Permission.MANAGE_USERS)
@require_POST
def resend(request, pk):
    return _done(
        request, pk, services.resend_invitation, _("A new invitation is on its way to %(name)s.")
    )


@environment_page(Permission.MANAGE_USERS)
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request, pk):
    user = _user(request, pk)
    change = partial(services.remove, user=user, by=request.user)
    try:
        if request.method != "POST":
            context = {"person": user, **shown(rehearse(change, about=user))}
            return render(request, "accounts/user_remove.html", context)
        question = ask_first(
            request,
            change,
            about=user,
            title=_("Remove %(name)s?") % {"name": user},
            button=_("Remove user"),
            back=user.get_absolute_url(),
        )
    except services.Refused as refused:
        status = 409 if request.method == "POST" else 200
        context = {"person": user, "refused": refused}
        return render(request, "accounts/user_remove.html", context, status=status)
    if question:
        return question
    messages.success(request, _("%(name)s is removed.") % {"name": user})
    return redirect("accounts:users")


def _user(request, pk):
    return get_object_or_404(request.user.environment.users, pk=pk)


def _done(request, pk, service, message):
    user = _user(request, pk)
    try:
        service(user=user, by=request.user)
    except services.Refused as refused:
        return _user_page(request, user, status=409, refused=refused)
    messages.success(request, message % {"name": user})
    return redirect(user)


def _invite_page(request, form, status):
    return render(request, "accounts/invite.html", {"form": form}, status=status)


def _user_page(request, user, status=200, **changed):
    environment = request.user.environment
    members_of = list(user.memberships.values_list("organisation__organisation_id", flat=True))
    context = {
        "person": user,
        "role_form": RoleForm(initial={"role": user.role}),
        "organisations_form": OrganisationsForm(
            environment=environment, initial={"organisations": members_of}
        ),
        "events": Event.objects.of(environment)
        .about("user", user.pk)
        .exclude(action=Action.SUPPORT_LOOKED)
        .newest_first()[:EVENTS_SHOWN],
        **changed,
    }
    return render(request, "accounts/user.html", context, status=status)
