"""What makers of software need: the formats, a link that prefills a connection, and ending a found key."""

from allauth.core import ratelimit
from django.conf import settings
from django.contrib import messages
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import environment_page, public_page
from accounts.roles import Permission
from connections import keys, services
from connections.forms import FoundKeyForm
from connections.functions import FUNCTIONS
from connections.models import App, catalogue


@public_page
@sensitive_variables("pair", "context")
@require_safe
def vendors(request):
    """Key form and checksum, Quick Connect text, prefilled link: what a vendor builds on (R39)."""
    pair = keys.make_pair()  # an example that is nobody's, with checksums that hold
    context = {
        "pair": pair,
        "secret": pair.secret.reveal(),
        "app_key_length": keys.APP_KEY_LENGTH,
        "secret_length": keys.SECRET_LENGTH,
        "functions": FUNCTIONS.values(),
        "base_url": settings.PORTAL_BASE_URL,
    }
    return render(request, "connections/vendors.html", context)


@environment_page(Permission.VIEW_ORGANISATION)
@require_safe
def methods(request):
    """The overview of integration methods: every published package, and how it is connected."""
    apps = App.objects.published().select_related("logo").by_name()
    context = {"apps": apps, "may_connect": request.user.may(Permission.MANAGE_KEYS)}
    return render(request, "connections/methods.html", context)


@environment_page(Permission.MANAGE_KEYS)
@require_safe
def connect(request):
    """A vendor's link: prefills package, name and functions. The person still reviews and decides (R39)."""
    name = request.GET.get("app", "").replace("\0", "")[:60].strip()
    app = App.objects.usable_by(request.user.environment).filter(name__iexact=name).first()
    if app is None:
        messages.warning(
            request,
            _("No package is called “%(name)s” here. Choose one, or make an Own App.")
            % {"name": name},
        )
        return redirect("connections:choose-organisation")
    asked = request.GET.get("functions", "").split(",")
    wishes = {
        "app": app.pk,
        "name": request.GET.get("name", "").replace("\0", "")[:60],
        "functions": ",".join(name for name in catalogue() if name in asked),
    }
    query = urlencode({key: value for key, value in wishes.items() if value})
    return redirect(f"{reverse('connections:choose-organisation')}?{query}")


@public_page
@never_cache
@sensitive_post_parameters("text")
@sensitive_variables("form", "secret", "secrets")
@require_http_methods(["GET", "HEAD", "POST"])
def found(request):
    """Found a key? Whoever holds a Secret can end it, and hears the same whether it was one of ours."""
    if request.method != "POST":
        return render(request, "connections/found.html", {"form": FoundKeyForm()})
    if not ratelimit.consume(request, action="found_key"):
        return render(request, "429.html", status=429)
    form = FoundKeyForm(request.POST)
    if not form.is_valid():
        return render(
            request, "connections/found.html", {"form": FoundKeyForm(), "empty": True}, status=422
        )
    secrets = keys.find_secrets(form.cleaned_data["text"])
    for secret in secrets:
        services.end_found(secret=secret)
    context = {"form": FoundKeyForm(), "read": len(secrets), "done": True}
    return render(request, "connections/found.html", context, status=200 if secrets else 422)
