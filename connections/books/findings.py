"""What a call or a test found, in sentences: what it is, and what to do about it.

A finding is plain data (`{"what": …}`), so that it can be kept and said again in another language.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _


@dataclass(frozen=True)
class Said:
    """A finding for the person. `kind` is ok, warn or bad."""

    kind: str
    sentence: str
    advice: str = ""


def say(finding: dict) -> Said | None:
    """Put a finding into words; None for none."""
    if not finding:
        return None
    what = finding.get("what")
    if what == "refused":
        return _refused(finding)
    return _OTHERS.get(what, _strange)(finding)


def is_about_the_keys(finding: dict) -> bool:
    """Whether every other call would fail in the same way."""
    code = finding.get("code", "")
    return finding.get("what") != "refused" or code in {
        "ERRIAU6000007",
        "ERRPRO1000004",
        "ERRIAU3000001",
        "ERRGRP3000006",
    }


def help_of(finding: dict) -> str:
    """The help link of the API's answer, when it is one that a browser may follow."""
    link = finding.get("help", "")
    return link if urlsplit(link).scheme in ("http", "https") else ""


def _refused(finding):
    code, reason = finding.get("code"), finding.get("reason", "")
    if code == "ERRIAU6000007":
        return _KEYS.get(reason, _ended)()
    if code == "ERRCDO4000011":
        return _scope(finding)
    if code in _CODES:
        return _CODES[code]()
    return Said(
        "bad",
        _("The portal refused this: %(message)s") % {"message": finding.get("message", code)},
        _("The help link says more. Mention the request ID when you ask support."),
    )


def _wrong():
    return Said(
        "bad",
        _("The portal does not know this App Key with this Secret."),
        _(
            "Copy both again from the page that shows the keys. The Secret is shown once: when it is lost, "
            "create new keys in the portal."
        ),
    )


def _superseded():
    return Said(
        "bad",
        _("These keys worked once, but new keys were created for this connection."),
        _("Ask who created them for the new App Key and Secret, or create new keys in the portal."),
    )


def _revoked():
    return Said(
        "bad",
        _("This connection was revoked in the portal, so its keys work no more."),
        _("Create a new connection in the portal and paste its keys here."),
    )


def _found():
    return Said(
        "bad",
        _("Somebody found this Secret in a public place and reported it, so the keys were ended."),
        _("Find out where it was, and create new keys in the portal."),
    )


def _ended():
    return Said(
        "bad",
        _("These keys worked once, but the portal has ended them."),
        _("Create new keys in the portal; the page of the connection there says why."),
    )


def _blocked():
    return Said(
        "bad",
        _("The portal has blocked the environment of this organisation."),
        _("Ask the support of the portal. The keys can stay here."),
    )


def _suspended():
    return Said(
        "bad",
        _("The connection is suspended: its owner may not manage connections at the moment."),
        _(
            "Ask an administrator of the organisation: the page of the connection in the portal says whose "
            "rights are missing, and lets somebody else take it over. The keys stay the same."
        ),
    )


def _not_covered():
    return Said(
        "bad",
        _("These keys are not for the organisation that is entered here."),
        _("Compare the organisation ID with the page in the portal that shows the keys."),
    )


def _scope(finding):
    function = finding.get("function", "")
    advice = {
        "app": _("The software package does not ask for it; its maker or support changes that."),
        "key": _("Somebody who manages the connection in the portal gives it to the key."),
        "owner": _("An administrator in the portal gives it to the owner of the connection."),
        "partnership": _("The client of the accountant has to allow it in the portal."),
    }.get(finding.get("reason", ""), "")
    return Said(
        "warn",
        _("The keys work, but they may not use the function %(function)s.")
        % {"function": function},
        " ".join(filter(None, [advice, _("The keys stay the same.")])),
    )


def _receiver_unknown():
    return Said(
        "bad",
        _(
            "The customer cannot be reached: nobody has this electronic address or registration number."
        ),
        _(
            "Check the address with the customer. The portal keeps the invoice as “Delivery failed”."
        ),
    )


def _sending_off():
    return Said(
        "bad",
        _("Sending is switched off for this organisation."),
        _("An administrator switches it on, on the page of the organisation in the portal."),
    )


def _wrong_sender():
    return Said(
        "bad",
        _("The portal does not recognise the organisation as the sender of this invoice."),
        _("Test the connection in the settings, then send it again."),
    )


def _another_document():
    return Said(
        "bad",
        _("The portal has another invoice under this Idempotency-Key."),
        _("Make the invoice anew."),
    )


def _ok(finding):
    return Said(
        "ok",
        _("Connected: these keys are for %(organisation)s, as “%(app)s”.")
        % {"organisation": finding.get("organisation", ""), "app": finding.get("app", "")},
    )


def _choose(finding):
    return Said(
        "warn",
        _("The keys work, and they are for several organisations."),
        _("Choose the one whose books these are."),
    )


def _none(finding):
    return Said(
        "bad",
        _("The keys work, but they are for no organisation."),
        _("Look at the page of the connection in the portal."),
    )


def _other_organisation(finding):
    return Said(
        "bad",
        _("The keys work, but not for organisation %(entered)s: they are for %(organisations)s.")
        % {
            "entered": finding.get("entered", ""),
            "organisations": ", ".join(it["name"] for it in finding.get("organisations", [])),
        },
        _("Correct the organisation ID, or paste the keys of the right connection."),
    )


def _dead(finding):
    return Said(
        "bad",
        _("The portal at %(address)s does not answer.") % {"address": settings.BOOKS_API},
        _("Nothing is lost. Try again in a few minutes; if it stays away, ask who runs it."),
    )


def _slow(finding):
    return Said(
        "bad",
        _("The portal took too long to answer."),
        _("Try again in a few minutes. Repeating is safe: nothing is sent or booked twice."),
    )


def _busy(finding):
    return Said(
        "warn",
        _("Koppel Books is busy with other administrations."),
        _("Try again in a few seconds."),
    )


def _changed(finding):
    return Said(
        "bad",
        _("An invoice came that is not the one the portal announced, so it was not confirmed."),
        _("Fetch it again; if it stays so, tell support its number: %(number)s.")
        % {"number": finding.get("number", "")},
    )


def _unreadable(finding):
    return Said(
        "bad",
        _("Koppel Books cannot read the stored Secret any more."),
        _("Paste the keys again. If the Secret is lost, create new keys in the portal."),
    )


def _strange(finding):
    return Said(
        "bad",
        _("What answers at %(address)s does not speak as the portal does.")
        % {"address": settings.BOOKS_API},
        _("Try again in a few minutes; if it stays so, ask who runs Koppel Books."),
    )


_KEYS = {"": _wrong, "superseded": _superseded, "revoked": _revoked, "found": _found}
_CODES = {
    "ERRPRO1000004": _blocked,
    "ERRIAU3000001": _suspended,
    "ERRGRP3000006": _not_covered,
    "ERRSND4000001": _receiver_unknown,
    "ERRSND3000001": _sending_off,
    "ERRSND4000002": _wrong_sender,
    "ERRSND2000001": _another_document,
}
_OTHERS = {
    "ok": _ok,
    "choose": _choose,
    "none": _none,
    "other organisation": _other_organisation,
    "dead": _dead,
    "slow": _slow,
    "busy": _busy,
    "changed": _changed,
    "unreadable": _unreadable,
}
