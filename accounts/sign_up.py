"""The form of the sign-up page. Apart from accounts.forms, which allauth reads for its own."""

from allauth.account.forms import SignupForm

from accounts.forms import PASSWORD_HELP


class SignUpForm(SignupForm):
    """allauth's, with one sentence about the password instead of a list of rules."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["password1"].help_text = PASSWORD_HELP
