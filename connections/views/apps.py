"""Apps: Show details for every app, Edit details for an Own App, and their logos."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import environment_page, recent_login_required
from accounts.roles import Permission
from connections import services
from connections.forms import OwnAppForm
from connections.models import App, AppLogo, Connection


@environment_page(Permission.MANAGE_KEYS)
@require_safe
def details(request, pk):
    """Show details: the permissions of the app (R10, R11)."""
    app = _app(request, pk)
    connections = Connection.objects.live().within_reach_of(request.user).filter(app=app).for_list()
    return render(request, "connections/app.html", {"app": app, "connections": connections[:20]})


@environment_page(Permission.MANAGE_APPS)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request, pk):
    """Edit details: name, logo and permissions of an Own App; a Generic App has none to edit (R10)."""
    app = _app(request, pk)
    if app.is_generic:
        return render(request, "connections/generic_app.html", {"app": app}, status=403)
    if app.environment_id != request.user.environment_id:  # a client's, seen through a partnership
        raise Http404
    return _edit_own_app(request, app)


@recent_login_required
def _edit_own_app(request, app):
    form = OwnAppForm(request.POST or None, request.FILES or None, app=app)
    if request.method == "POST" and form.is_valid():
        try:
            services.change_own_app(app=app, by=request.user, **form.cleaned_data)
        except services.NameTaken as taken:
            form.add_error("name", str(taken))
        else:
            messages.success(request, _("The app is changed. It holds from the next call on."))
            return redirect(app)
    status = 422 if form.is_bound else 200
    return render(request, "connections/own_app.html", {"form": form, "app": app}, status=status)


@environment_page(Permission.VIEW_ORGANISATION)
@require_safe
def logo(request, digest):
    """A logo by the digest of its bytes: it never changes, so browsers keep it."""
    found = AppLogo.objects.filter(digest=digest, app__in=App.objects.seen_by(request.user)).first()
    if found is None:
        raise Http404
    return HttpResponse(
        bytes(found.png),
        content_type="image/png",
        headers={
            "Cache-Control": "private, max-age=31536000, immutable",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        },
    )


def _app(request, pk):
    app = App.objects.seen_by(request.user).select_related("logo").filter(pk=pk).first()
    if app is None:
        raise Http404
    return app
