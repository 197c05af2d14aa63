"""The outbox: mails are rows, written with the change they report, sent later by a worker (R54)."""

from django.db import models
from django.utils import timezone


class MailQuerySet(models.QuerySet):
    def waiting(self):
        return self.filter(sent_at__isnull=True, given_up_at__isnull=True)

    def due(self, now):
        return self.waiting().filter(send_after__lte=now)


class Mail(models.Model):
    """One mail to one person. `send_after` is also the lease: a worker moves it ahead while it sends."""

    to = models.EmailField(max_length=254)
    sender = models.CharField(max_length=254)
    subject = models.CharField(max_length=250)
    body = models.TextField()
    html = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    send_after = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(max_length=500, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)

    objects = MailQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["send_after"],
                condition=models.Q(sent_at__isnull=True, given_up_at__isnull=True),
                name="mail_waiting",
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(sent_at__isnull=True) | models.Q(given_up_at__isnull=True),
                name="a_mail_is_sent_or_given_up_not_both",
            )
        ]

    def __str__(self):
        return f"{self.subject} → {self.to}"
