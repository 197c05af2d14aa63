"""Creating a connection: for whom, with which package, with which access; then the keys, once."""

from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import environment_page, organisation_page, recent_login_required
from accounts.models import Organisation
from accounts.roles import Permission
from connections import services
from connections.forms import ConnectionForm, OwnAppForm
from connections.models import App, Connection
from portal.htmx import render_part


@environment_page(Permission.MANAGE_KEYS)
@require_safe
def choose_organisation(request):
    organisations = list(Organisation.objects.reachable_by(request.user).by_name())
    if len(organisations) == 1:
        return redirect("connections:new", organisation=organisations[0].organisation_id)
    return render(request, "connections/choose_organisation.html", {"choices": organisations})


@organisation_page(Permission.MANAGE_KEYS)
@require_safe
def choose_package(request, organisation):
    """Step 1: the gallery of Generic Apps and of the environment's Own Apps."""
    text = request.GET.get("q", "").replace("\0", "").strip()[:100]
    apps = App.objects.usable_by(organisation.environment).select_related("logo").by_name()
    if text:
        apps = apps.search(text)
    connected = set(Connection.objects.live().filter(organisation=organisation).values_list("app", flat=True))
    context = {"organisation": organisation, "apps": apps, "text": text, "connected": connected}
    return render_part(request, "connections/choose_package.html", "connections/_packages.html", context)


@organisation_page(Permission.MANAGE_KEYS)
@require_http_methods(["GET", "HEAD", "POST"])
def new_own_app(request, organisation):
    """Step 1, the other way: make an Own App, then go on with it."""
    form = OwnAppForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            app = services.create_own_app(
                environment=organisation.environment, by=request.user, **form.cleaned_data
            )
            return redirect("connections:create", organisation=organisation.organisation_id, app=app.pk)
        except services.NameTaken as taken:
            form.add_error("name", str(taken))
    status = 422 if form.is_bound else 200
    return render(request, "connections/own_app.html", {"form": form, "organisation": organisation}, status=status)


@organisation_page(Permission.MANAGE_KEYS)
@recent_login_required
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("pair")
def create(request, organisation, app):
    """Step 2: name and access. The answer to its POST is step 3, the page that shows the keys once (R13, R14)."""
    app = App.objects.usable_by(organisation.environment).select_related("logo").filter(pk=app).first()
    if app is None:
        raise Http404
    form = ConnectionForm(
        request.POST or None,
        app=app,
        owner_accesses=services.accesses_of(request.user, organisation),
        initial={"name": app.name},
    )
    context = {"organisation": organisation, "app": app, "form": form}
    if request.method == "POST" and form.is_valid():
        try:
            connection, pair = services.create_connection(
                organisation=organisation, app=app, by=request.user, **form.cleaned_data
            )
            return keys_page(request, connection, pair, new=True)
        except services.AlreadyCreated as already:
            return already_created_page(request, already, organisation)
        except services.AlreadyConnected as already:
            context["already"] = already
    status = 422 if form.is_bound else 200
    return render(request, "connections/create.html", context, status=status)


@sensitive_variables("pair")
def keys_page(request, connection, pair, *, new):
    """The one answer that holds a Secret: a full page, stored by nobody (R14)."""
    connection = get_object_or_404(Connection.objects.for_list(), pk=connection.pk)
    context = {"connection": connection, "pair": pair, "secret": pair.secret.reveal(), "new": new}
    return render(request, "connections/keys.html", context)


def already_created_page(request, already, organisation):
    context = {"key_set": already.key_set, "organisation": organisation}
    return render(request, "connections/already_created.html", context, status=409)
