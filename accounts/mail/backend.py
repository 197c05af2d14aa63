"""Django's and allauth's mails go the same way as ours: into the outbox."""

from django.core.mail.backends.base import BaseEmailBackend

from accounts.mail.models import Mail


class OutboxBackend(BaseEmailBackend):
    """Stores each message once for each of its addressees. Text only: our mails have no other part."""

    def send_messages(self, messages):
        mails = [
            Mail(to=to, sender=message.from_email, subject=message.subject[:250], body=message.body)
            for message in messages
            for to in message.recipients()
        ]
        Mail.objects.bulk_create(mails)
        return len(mails)
