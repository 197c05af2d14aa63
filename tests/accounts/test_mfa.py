from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP

SECRET = "JBSWY3DPEHPK3PXP"


def test_what_the_second_factor_is_made_from_is_encrypted(colleague):
    TOTP.activate(colleague, SECRET)
    RecoveryCodes.activate(colleague)

    stored = {row.type: row.data for row in Authenticator.objects.all()}

    assert SECRET not in str(stored)
    assert get_adapter().decrypt(stored["totp"]["secret"]) == SECRET
    assert stored["recovery_codes"]["seed"].startswith("gAAAA")  # how Fernet's tokens begin
