"""Blocking an environment at the desk of support: the question with all that stops, and the way back."""

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import blocking
from accounts.models import Environment
from accounts.refusals import Refused


class BlockForm(forms.Form):
    reason = forms.CharField(
        label=_("Why?"),
        max_length=blocking.LONGEST_REASON,
        widget=forms.TextInput({"class": "vLargeTextField"}),
        help_text=_(
            "One or two sentences for the people of the environment, who read them when they sign in. Their "
            "partners do not read them."
        ),
    )


class Blocking:
    """The pages "Block" and "Unblock", for the admin of environments; its page leads to them."""

    def get_urls(self):
        pages = [("block", self.block), ("unblock", self.unblock)]
        return [
            path(
                f"<int:pk>/{name}/",
                self.admin_site.admin_view(page),
                name=f"accounts_environment_{name}",
            )
            for name, page in pages
        ] + super().get_urls()

    def block(self, request, pk):
        environment = self._asked(request, pk)
        form = BlockForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            stops = blocking.stops(environment)
            return self._page(request, "block", environment, form=form, stops=stops)
        return self._done(
            request,
            environment,
            lambda: blocking.block(
                environment=environment, reason=form.cleaned_data["reason"], by=request.user
            ),
            gettext("%(environment)s is blocked."),
        )

    def unblock(self, request, pk):
        environment = self._asked(request, pk)
        if request.method != "POST":
            return self._page(request, "unblock", environment)
        return self._done(
            request,
            environment,
            lambda: blocking.unblock(environment=environment, by=request.user),
            gettext("%(environment)s is not blocked any more."),
        )

    def _asked(self, request, pk):
        environment = get_object_or_404(Environment, pk=pk)
        if not self.has_change_permission(request, environment):
            raise PermissionDenied
        return environment

    def _page(self, request, name, environment, **context):
        context |= {**self.admin_site.each_context(request), "environment": environment}
        status = 422 if request.method == "POST" else 200
        page = f"admin/accounts/environment/{name}.html"
        return render(request, page, {"title": environment.name, **context}, status=status)

    def _done(self, request, environment, change, text):
        try:
            change()
        except Refused as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, text % {"environment": environment.name})
        return redirect("admin:accounts_environment_change", environment.pk)
