"""Where allauth's second factor asks us."""

from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet
from django.conf import settings


class MFAAdapter(DefaultMFAAdapter):
    """Encrypts what authenticator apps and recovery codes are made from; the key is not in the database."""

    def encrypt(self, text):
        return Fernet(settings.MFA_KEY).encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text):
        return Fernet(settings.MFA_KEY).decrypt(encrypted_text.encode()).decode()
