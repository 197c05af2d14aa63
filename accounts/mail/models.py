"""The outbox, and the notices in the portal: rows, written with the change that they report (R54)."""

import re

from django.db import models
from django.urls import reverse
from django.utils import timezone

PATH = re.compile(r"/(?!/)\S*")
LAST_SENTENCE = re.compile(r"(.*[.?!] )?(.*?):?")


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


class NoticeQuerySet(models.QuerySet):
    def unread(self):
        return self.filter(read_at__isnull=True)

    def mark_as_read(self):
        return self.unread().update(read_at=timezone.now())

    def newest_first(self):
        return self.order_by("-created_at", "-pk")


class Notice(models.Model):
    """What a mail said, kept for its reader in the portal, whether or not it was mailed.

    `text` is that of the mail without greeting and end, in the reader's language of then; an address of the
    portal stands in it as a path on a line of its own.
    """

    user = models.ForeignKey("accounts.User", models.CASCADE, related_name="notices")
    template = models.CharField(max_length=50)
    title = models.CharField(max_length=250)
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    read_at = models.DateTimeField(null=True, blank=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="notice_newest"),
            models.Index(
                fields=["user"], condition=models.Q(read_at__isnull=True), name="notice_unread"
            ),
            models.Index(fields=["created_at"], name="notice_by_age"),
        ]

    def __str__(self):
        return self.title

    def get_absolute_url(self):
        return reverse("accounts:notice", kwargs={"pk": self.pk})

    @property
    def paragraphs(self):
        """The text for a page: paragraphs of lines, each with `text`, and `page` where it leads somewhere."""
        return [_lines(paragraph) for paragraph in self.text.split("\n\n")]


def _lines(paragraph):
    lines = []
    for line in paragraph.split("\n"):
        if lines and PATH.fullmatch(line):
            before, text = LAST_SENTENCE.fullmatch(lines[-1]["text"]).groups("")
            lines[-1] = {"before": before, "text": text, "page": line}
        else:
            lines.append({"text": line.removeprefix("- "), "item": line.startswith("- ")})
    return lines
