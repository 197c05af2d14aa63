"""Telling people: notices and mails; and sending the mails that wait."""

import logging
import random
import re
from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone, translation

from accounts.mail.groups import GROUP_OF
from accounts.mail.models import Mail, Notice
from portal.metrics import MAILS

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
MOST_ATTEMPTS = 20
LONGEST_PAUSE = timedelta(hours=6)
NOTICES_KEPT = timedelta(days=90)
FORGOTTEN_AT_ONCE = 10_000


def queue(template, *, to, language, **context):
    """Put the mail `templates/mail/<template>.txt` to the address `to` into the outbox, in `language`.

    For people without a login, and for what gives power (links, codes): it leaves no notice. It belongs into
    the transaction of the change it reports, and refuses to be outside of one (R54). Never give it a Secret.
    """
    subject, body = _written(template, language, **context)
    _mail(to, language, subject, body).save()


def tell(template, users, *, to=None, **context):
    """Leave a notice for each of these people, in their language, and mail it where it is wanted (R54).

    Not mailed is what the person has switched off the group of; some groups cannot be (accounts.mail.groups).
    `to` is another address than that of the person. Like `queue` it wants a transaction, and never a Secret.
    """
    notices, mails = [], []
    for user in users:
        subject, body = _written(template, user.language, user=user, **context)
        text = _without_greeting(body)
        read_at = timezone.now() if context.get("by") == user else None  # who did it knows
        notices.append(
            Notice(user=user, template=template, title=subject, text=text, read_at=read_at)
        )
        group = GROUP_OF[template]
        if group.is_always_sent:
            mails.append(_mail(to or user.email, user.language, subject, body))
        elif group not in user.mails_off:
            body += "\n\n" + _how_to_choose(user.language)
            mails.append(_mail(to or user.email, user.language, subject, body))
    Notice.objects.bulk_create(notices)
    Mail.objects.bulk_create(mails)


def forget_notices() -> int:
    """Delete the notices that are older than 90 days, and answer how many."""
    old = Notice.objects.filter(created_at__lt=timezone.now() - NOTICES_KEPT)
    found = list(old.order_by("created_at").values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
    Notice.objects.filter(pk__in=found).delete()
    return len(found)


def _written(template, language, **context):
    """The first line of the template, which is the subject, and the rest, without empty lines too many."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("A mail belongs into the transaction of the change it reports.")
    subject, _, body = _rendered(template, language, **context).partition("\n")
    return " ".join(subject.split())[:250], re.sub(r"\n{3,}", "\n\n", body).strip()


def _rendered(template, language, **context):
    context = {"base_url": settings.PORTAL_BASE_URL, **context}
    with translation.override(language):
        return render_to_string(f"mail/{template}.txt", context).strip()


def _mail(to, language, subject, body):
    with translation.override(language):
        html = as_html(subject, body)
    return Mail(
        to=to, sender=settings.DEFAULT_FROM_EMAIL, subject=subject, body=body + "\n", html=html
    )


def _how_to_choose(language):
    return _rendered("_how_to_choose", language)


def _without_greeting(body):
    """What a notice says of a mail: greeting and name of the portal fall away, links become paths."""
    _greeting, _, text = body.partition("\n\n")
    return re.sub(rf"^{re.escape(settings.PORTAL_BASE_URL)}(?=/|$)", "", text, flags=re.M).strip()


def as_html(subject, body):
    """The same mail for readers that show HTML: its paragraphs, its lists and its links."""
    return render_to_string(
        "mail/layout.html",
        {
            "subject": subject,
            "blocks": [_block(paragraph) for paragraph in body.strip().split("\n\n") if paragraph],
            "language": translation.get_language(),
        },
    )


def _block(paragraph):
    """A paragraph as lines, each text, an item of a list ("- ") or a link."""
    lines = [line.strip() for line in paragraph.strip().split("\n")]
    return [
        {
            "text": line.removeprefix("- "),
            "item": line.startswith("- "),
            "link": f"{line}/".startswith(f"{settings.PORTAL_BASE_URL}/") and " " not in line,
        }
        for line in lines
        if line
    ]


def send_due(limit=50):
    """Send what is due, at most `limit` mails, and answer how many were tried.

    At least once: a mail is marked after it was handed over, so a crash in between sends it again after
    the lease of two minutes. Several workers may run: each takes a mail by moving its `send_after`.
    """
    now = timezone.now()
    mails = list(Mail.objects.due(now).order_by("send_after")[:limit])
    taken = [mail for mail in mails if _take(mail)]
    if not taken:
        return 0
    with get_connection(settings.DELIVERY_BACKEND) as connection:
        for mail in taken:
            _send(mail, connection)
    return len(taken)


def _take(mail):
    leased = Mail.objects.waiting().filter(pk=mail.pk, send_after=mail.send_after)
    return leased.update(send_after=timezone.now() + LEASE, attempts=mail.attempts + 1) == 1


def _send(mail, connection):
    message = EmailMultiAlternatives(
        mail.subject,
        mail.body,
        mail.sender,
        [mail.to],
        connection=connection,
        headers={"Message-ID": f"<koppel-{mail.pk}@{mail.sender.rpartition('@')[2].rstrip('>')}>"},
    )
    if mail.html:
        message.attach_alternative(mail.html, "text/html")
    try:
        message.send()
    except Exception as error:
        MAILS.labels("failed").inc()
        _put_off(mail, error)
    else:
        MAILS.labels("sent").inc()
        Mail.objects.filter(pk=mail.pk).update(sent_at=timezone.now(), last_error="")


def _put_off(mail, error):
    """Try again after a pause that doubles; after the last attempt keep the mail for support to see."""
    attempts = mail.attempts + 1
    now = timezone.now()
    log.warning("mail %s not sent, attempt %s: %s", mail.pk, attempts, type(error).__name__)
    values = {"last_error": f"{type(error).__name__}: {error}"[:500]}
    if attempts >= MOST_ATTEMPTS:
        values["given_up_at"] = now
    else:
        pause = min(timedelta(seconds=30) * 2**attempts, LONGEST_PAUSE)
        values["send_after"] = now + pause * random.uniform(0.8, 1.2)  # noqa: S311 (spreads load)
    Mail.objects.filter(pk=mail.pk).update(**values)
