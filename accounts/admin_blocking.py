"""Blocking an environment at the desk of support: the question with all that stops, and the way back."""

from functools import partial

from django import forms
from django.contrib import admin
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import blocking
from accounts.desk import mended, note_look, question
from accounts.models import Environment


class BlockForm(forms.Form):
    reason = forms.CharField(
        label=_("Why?"),
        max_length=blocking.LONGEST_REASON,
        help_text=_(
            "One or two sentences for the people of the environment, who read them when they sign in. Their "
            "partners do not read them."
        ),
    )


@admin.site.page("environments/<int:pk>/block/", "accounts.change_environment")
@require_http_methods(["GET", "POST"])
def block_environment(request, pk):
    environment = get_object_or_404(Environment, pk=pk)
    form = BlockForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        block = partial(blocking.block, environment=environment, reason=reason, by=request.user)
        return mended(request, block, gettext("%s is blocked.") % environment, "environment", pk)
    note_look(by=request.user, environments=[environment], looked_at="environment")
    context = {
        **admin.site.each_context(request),
        "title": gettext("Block %(environment)s?") % {"environment": environment},
        "environment": environment,
        "form": form,
        "stops": blocking.stops(environment),
    }
    status = 422 if form.is_bound else 200
    return render(request, "admin/block.html", context, status=status)


@admin.site.page("environments/<int:pk>/unblock/", "accounts.change_environment")
@require_POST
def unblock_environment(request, pk):
    environment = get_object_or_404(Environment, pk=pk)
    if "confirmed" in request.POST:
        unblock = partial(blocking.unblock, environment=environment, by=request.user)
        done = gettext("%s is not blocked any more.") % environment
        return mended(request, unblock, done, "environment", pk)
    return question(
        request,
        title=gettext("Unblock %(environment)s?") % {"environment": environment},
        sentences=[
            gettext("Its keys work again at once, and its people can do everything as before.")
        ],
        button=gettext("Unblock"),
        back=reverse("admin:environment", args=[pk]),
    )
