"""Who is signed in."""

from allauth.account.auth_backends import AuthenticationBackend

from accounts.models import User
from portal.prepared import Given, Prepared

_SIGNED_IN = Prepared(
    lambda: User.objects.select_related("environment").filter(pk=Given("user")).order_by()
)


class Backend(AuthenticationBackend):
    """Brings the environment with the person: every page shows both."""

    def get_user(self, user_id):
        user = _SIGNED_IN.first(user=user_id)
        return user if user and self.user_can_authenticate(user) else None
