"""Where allauth's second factor asks us."""

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import transaction

ENCRYPTED = {"secret", "seed"}  # of an authenticator app, of recovery codes


class MFAAdapter(DefaultMFAAdapter):
    """Encrypts what authenticator apps and recovery codes are made from; the key is not in the database."""

    def encrypt(self, text):
        return _keys().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text):
        return _keys().decrypt(encrypted_text.encode()).decode()


@transaction.atomic
def encrypt_anew() -> int:
    """Encrypt what authenticators hold under the first of the MFA keys; answers how many there are."""
    authenticators = Authenticator.objects.select_for_update(no_key=True).order_by("pk")
    for authenticator in authenticators:
        for name in ENCRYPTED & authenticator.data.keys():
            old = authenticator.data[name]
            authenticator.data[name] = _keys().rotate(old.encode()).decode()
        authenticator.save(update_fields=["data"])
    return len(authenticators)


def _keys():
    return MultiFernet([Fernet(key) for key in settings.MFA_KEYS])
