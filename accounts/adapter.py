"""Where allauth asks us."""

from types import SimpleNamespace
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.utils import timezone, translation

from accounts import services
from accounts.models import User

LONGEST_BROWSER = 200
SIGNED_IN_AT = "signed_in_at"  # in the session: when this sign-in was, in seconds


class AccountAdapter(DefaultAccountAdapter):
    def save_user(self, request, user, form, commit=True):
        """Sign-up makes the environment together with its first user (R1)."""
        user = super().save_user(request, user, form, commit=False)
        user.language = request.LANGUAGE_CODE
        return services.sign_up(user=user, environment_name=form.cleaned_data["environment"])

    def post_login(self, request, user, **kwargs):
        """Whoever was invited and came in another way than by the link has joined too.

        The moment is kept: allauth notes none for who comes in by a code or an invitation (R55).
        """
        services.join(user=user)
        request.session[SIGNED_IN_AT] = timezone.now().timestamp()
        return super().post_login(request, user, **kwargs)

    def send_mail(self, template_prefix, email, context):
        """Mails name the portal by its configured address, never by the Host that a request claims, and speak
        the language of their reader, whatever browser asked for them (R57).
        """
        site = SimpleNamespace(name="Koppel", domain=urlsplit(settings.PORTAL_BASE_URL).netloc)
        links = {
            name: _at_base_url(url)
            for name, url in context.items()
            if name.endswith("_url") and url
        }
        reader = context.get("user") or User.objects.filter(email__iexact=email).first()
        with translation.override(reader.language if reader else translation.get_language()):
            super().send_mail(template_prefix, email, {"current_site": site, **context, **links})

    def send_notification_mail(self, template_prefix, user, context=None, email=None):
        """Every change of a login method is an event, a notice and a mail of ours (R53, R54)."""
        services.note_login_change(
            user=user,
            method=template_prefix.rpartition("/")[2],
            to=email,
            about=context or {},
            ip=self.get_client_ip(self.request),
            browser=self.get_http_user_agent(self.request)[:LONGEST_BROWSER],
        )


def _at_base_url(url):
    return settings.PORTAL_BASE_URL + urlsplit(url).path
