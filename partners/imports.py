"""Many authorisation requests at once: a file is read, its lines are judged, then the worker sends them.

Nothing is sent before somebody says so (`start`), and no line twice: each is sent and marked in one
transaction, under an `op_id` that belongs to the line.
"""

import codecs
import csv
import difflib
import io
import logging
import uuid
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from accounts.events.models import Action
from accounts.events.services import record
from accounts.models import User
from accounts.refusals import EnvironmentBlocked
from accounts.registration import REGISTRATION, Country
from accounts.roles import Permission
from partners.models import (
    ActivationLink,
    AuthorisationRequest,
    Batch,
    BatchLine,
    Mandate,
    MandateApp,
    packages,
)
from partners.refusals import (
    AlreadyClient,
    AlreadySent,
    NoAccountantRight,
    OwnAddress,
    OwnOrganisation,
    TooManyMails,
)
from partners.services import Refused, ask
from portal.tables import original

log = logging.getLogger(__name__)

MOST_BYTES = 5 * 1024 * 1024
MOST_LINES = 10_000
MOST_SURPLUS = 20  # cells beyond the header that are kept
MOST_SUGGESTIONS = 100  # looking for a similar name costs time
VERDICT = BatchLine._meta.get_field("verdict").max_length
LONGEST_NAME = 150
LONGEST_ADDRESS = 254
LONGEST_NOTE = 1000
State = BatchLine.State
WAIT = (TooManyMails, EnvironmentBlocked)  # what is no fault of a line


# What a file can look like


@dataclass(frozen=True)
class Column:
    """A column as it is called in both languages; a file may use either, and `others`."""

    name: str
    en: str
    nl: str
    others: tuple = ()
    required: bool = False

    @property
    def title(self):
        return self.nl if (translation.get_language() or "").startswith("nl") else self.en

    @property
    def titles(self):
        return {_plain(title) for title in (self.en, self.nl, *self.others)}


COLUMNS = (
    Column("client_name", "Client name", "Klantnaam", required=True),
    Column("email", "Email", "E-mail", required=True),
    Column("package", "Software package", "Softwarepakket", ("package", "pakket"), required=True),
    Column("country", "Country", "Land"),
    Column(
        "registration_number",
        "Registration number",
        "Registratienummer",
        ("kvk", "kvk-nummer"),
        required=True,
    ),
    Column("pays", "Who pays", "Wie betaalt"),
    Column("note", "Note", "Opmerking"),
    Column("language", "Language", "Taal"),
)
# Written into the file of what has to be mended, and passed over when that file comes back.
WHY = Column("why", "What to mend", "Wat te verbeteren")


def _plain(title):
    """Header names are compared without capitals, spaces, hyphens and the like."""
    return "".join(filter(str.isalnum, title.casefold()))


COLUMN_OF = {title: column for column in (*COLUMNS, WHY) for title in column.titles}


class NotText(Refused):
    def __init__(self):
        super().__init__(
            _(
                "This file is not a CSV file. Open it in your spreadsheet program and save it as "
                '"CSV UTF-8", then choose the new file.'
            )
        )


class FileTooLarge(Refused):
    def __init__(self):
        super().__init__(_("This file is larger than 5 MB. Divide it over several files."))


class TooManyLines(Refused):
    def __init__(self):
        super().__init__(
            _(
                "This file has more than 10,000 lines. Divide it over several files, each with the header."
            )
        )


class NoHeader(Refused):
    def __init__(self):
        super().__init__(_("This file is empty. Begin with the template, which has the header."))


class NoLines(Refused):
    def __init__(self):
        super().__init__(_("This file has a header but no lines. Write one line for each client."))


class UnknownColumn(Refused):
    def __init__(self, title):
        super().__init__(
            _(
                'No column is called "%(column)s". The first line must be the header; use the names of '
                "the template and take other columns out."
            )
            % {"column": _short(title)}
        )


class ColumnTwice(Refused):
    def __init__(self, column):
        super().__init__(
            _('The column "%(column)s" is there twice. Take one of them out.')
            % {"column": column.title}
        )


class MissingColumns(Refused):
    def __init__(self, columns):
        super().__init__(
            _("The header misses: %(columns)s. Use the names of the template.")
            % {"columns": ", ".join(column.title for column in columns)}
        )


class BrokenLine(Refused):
    def __init__(self, number):
        super().__init__(
            _(
                "Line %(number)s cannot be read: a quotation mark is opened and not closed, or a cell is "
                "much too long. Mend that line, then choose the file again."
            )
            % {"number": number}
        )


def _short(text, most=60):
    return Truncator(" ".join(text.split())).chars(most)


# Reading


@dataclass(frozen=True)
class Row:
    """A line of the file: what stands in each column, and what stands beyond the header."""

    number: int
    cells: dict
    surplus: list


def read(file) -> list[Row]:
    """The lines of a CSV file that are not empty; `number` is the row that a spreadsheet shows.

    The header is row 1. UTF-8, UTF-16 with its mark, else Windows-1252; parted by ; , or tab.
    Raises FileTooLarge, NotText, NoHeader, UnknownColumn, ColumnTwice, MissingColumns, BrokenLine,
    TooManyLines, NoLines.
    """
    records = _records(_text(file.read(MOST_BYTES + 1)))
    _number, header = next(records, (0, None))
    columns = _columns(header)
    rows = []
    for number, cells in records:
        if len(rows) == MOST_LINES:
            raise TooManyLines
        rows.append(_row(number, cells, columns))
    if not rows:
        raise NoLines
    return rows


def _text(raw):
    if len(raw) > MOST_BYTES:
        raise FileTooLarge
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ["utf-16"] if wide else ["utf-8-sig", "cp1252"]:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise NotText


def _records(text):
    """The records in which something stands, each with its number; strict, so that no quote eats lines.

    A cell of more than csv.field_size_limit() (128 KB) is an error like a quote that stays open.
    """
    first = next((line for line in io.StringIO(text) if line.strip()), "")
    delimiter = max(";,\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader, None)
        except csv.Error:
            raise BrokenLine(number) from None
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield number, cells


def _columns(header):
    """The column of each cell of the header, None where the header says nothing."""
    if header is None:
        raise NoHeader
    columns = []
    for title in header:
        column = COLUMN_OF.get(_plain(title[:100]))
        if column is None and title.strip():
            raise UnknownColumn(title)
        if column and column in columns:
            raise ColumnTwice(column)
        columns.append(column)
    missing = [column for column in COLUMNS if column.required and column not in columns]
    if missing:
        raise MissingColumns(missing)
    return columns


def _row(number, cells, columns):
    texts = [original(cell.strip()).strip() for cell in cells]
    named = {column.name: text for column, text in zip(columns, texts, strict=False) if column}
    named.pop(WHY.name, None)
    beyond = [text for column, text in zip(columns, texts, strict=False) if not column and text]
    beyond += filter(None, texts[len(columns) :])
    return Row(number, named, beyond[:MOST_SURPLUS])


# Judging


def judge(*, file, by) -> Batch:
    """Read the file and store what it says, each line Ready or with what is to be mended; sends nothing.

    `file` has `name` and `read`. The verdicts are sentences in the language of `by`. Raises what `read`
    raises.
    """
    with translation.override(by.language):
        rows = read(file)
        rules = Rules(by.language)
        with transaction.atomic():
            batch = Batch.objects.create(
                environment=by.environment, by=by, file_name=str(file.name)[:200]
            )
            BatchLine.objects.bulk_create(_lines(batch, rows, rules))
    return batch


def _lines(batch, rows, rules):
    said = [(row, *rules.read(row)) for row in rows]
    known = Known(batch.environment, [values for _row, values, faults in said if not faults])
    for row, values, faults in said:
        if not faults:
            faults = known.objections(row.number, values)
        kept = {"cells": row.cells, "surplus": row.surplus}
        if not faults:
            kept["ask"] = {**values, "app": values["app"].pk}
        yield BatchLine(
            batch=batch,
            number=row.number,
            values=kept,
            state=State.WRONG if faults else State.READY,
            verdict=_verdict(faults),
        )


def _verdict(sentences):
    return Truncator(" ".join(dict.fromkeys(map(str, sentences)))).chars(VERDICT)


PAYS = {
    **dict.fromkeys(["", "we", "wij", "accountant"], True),
    **dict.fromkeys(["client", "klant"], False),
}
PAYS_IN_WORDS = {"en": {True: "we", False: "client"}, "nl": {True: "wij", False: "klant"}}


def pays_in_words(accountant_pays) -> str:
    """What a file says about who pays, in the language of now."""
    words = PAYS_IN_WORDS.get(translation.get_language(), PAYS_IN_WORDS["en"])
    return words[accountant_pays]


class Rules:
    """What a line says, value by value; each raises ValidationError with what is wrong and how to mend it."""

    NAMES = (
        "client_name",
        "email",
        "app",
        "country",
        "registration_number",
        "accountant_pays",
        "note",
        "language",
    )

    def __init__(self, language):
        self.own_language = language
        self.apps = {app.name.casefold(): app for app in packages().select_related(None)}
        self.countries = _countries()
        self.suggested = {}

    def read(self, row):
        """The values of a line, and sentences about those that are wrong."""
        values, faults = {}, []
        for name in self.NAMES:
            try:
                values[name] = getattr(self, name)(row.cells)
            except ValidationError as wrong:
                faults += wrong.messages
        if row.surplus:
            faults.append(
                _(
                    "This line has more cells than the header. Put a text that holds the separator "
                    "between quotation marks."
                )
            )
        return values, faults

    def client_name(self, cells):
        name = " ".join(cells.get("client_name", "").split())
        if not name:
            raise ValidationError(_("Enter the name of the client."))
        if len(name) > LONGEST_NAME:
            raise ValidationError(_("Shorten the name of the client to 150 characters."))
        return name

    def email(self, cells):
        email = cells.get("email", "").lower()
        if not email:
            raise ValidationError(_("Enter the email address of the client."))
        if len(email) > LONGEST_ADDRESS or not _is_address(email):
            raise ValidationError(
                _('"%(email)s" is no email address. Enter one such as name@example.org.')
                % {"email": _short(email)}
            )
        return email

    def app(self, cells):
        name = " ".join(cells.get("package", "").split())
        if not name:
            raise ValidationError(_("Enter the name of the software package."))
        app = self.apps.get(name.casefold())
        if app is None:
            raise ValidationError(self._unknown_package(name))
        return app

    def _unknown_package(self, name):
        similar = self._similar(name.casefold())
        words = {"package": _short(name), "similar": similar}
        if similar:
            return _('There is no package "%(package)s". Did you mean "%(similar)s"?') % words
        return (
            _('There is no package "%(package)s". Enter the name as it stands under New request.')
            % words
        )

    def _similar(self, name):
        if name not in self.suggested and len(name) <= 100:
            if len(self.suggested) == MOST_SUGGESTIONS:
                return None
            found = difflib.get_close_matches(name, self.apps, n=1)
            self.suggested[name] = self.apps[found[0]].name if found else None
        return self.suggested.get(name)

    def country(self, cells):
        text = cells.get("country", "")
        country = self.countries.get(text.casefold())
        if country is None:
            raise ValidationError(
                _('"%(country)s" is no country that can be used. Enter one of %(codes)s.')
                % {"country": _short(text), "codes": ", ".join(Country.values)}
            )
        return country

    def registration_number(self, cells):
        number = cells.get("registration_number", "").replace(" ", "").replace(".", "")
        if not number:
            raise ValidationError(_("Enter the registration number."))
        country = self.country(cells)
        pattern, _scheme, message = REGISTRATION[Country(country)]
        if pattern.fullmatch(number):
            return number
        if country in ZERO_IN_FRONT and pattern.fullmatch(f"0{number}"):
            raise ValidationError(
                _("Excel may have taken a leading zero: 0%(number)s. Correct the number.")
                % {"number": number}
            )
        raise ValidationError(message)

    def accountant_pays(self, cells):
        text = cells.get("pays", "")
        if text.casefold() not in PAYS:
            raise ValidationError(
                _('Who pays is "we" or "client", not "%(pays)s".') % {"pays": _short(text)}
            )
        return PAYS[text.casefold()]

    def note(self, cells):
        note = cells.get("note", "").replace("\r\n", "\n").replace("\r", "\n")
        if len(note) > LONGEST_NOTE:
            raise ValidationError(_("Shorten the note to 1000 characters."))
        return note

    def language(self, cells):
        language = cells.get("language", "").lower() or self.own_language
        if language not in dict(settings.LANGUAGES):
            raise ValidationError(
                _('The language is "en" or "nl", not "%(language)s".')
                % {"language": _short(language)}
            )
        return language


def _is_address(text):
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


ZERO_IN_FRONT = (Country.NETHERLANDS, Country.BELGIUM)  # where numbers begin with a zero


def _countries():
    """The code of each country, by code and by its names; of none it is the Netherlands."""
    names = {"": Country.NETHERLANDS.value}
    for country in Country:
        names[country.value.casefold()] = country.value
        for language, _name in settings.LANGUAGES:
            with translation.override(language):
                names[str(country.label).casefold()] = country.value
    return names


class Known:
    """What the database knows about all lines of a file, in a few queries, and what stands before a line."""

    def __init__(self, environment, lines):
        numbers = {values["registration_number"] for values in lines}
        among = {"registration_number__in": numbers}
        colleagues = User.objects.filter(environment=environment)
        self.addresses = {email.lower() for email in colleagues.values_list("email", flat=True)}
        self.organisations = _by_number(environment.organisations.filter(**among))
        mandates = Mandate.objects.filter(accountant=environment, **among)
        self.mandates = _by_number(mandates)
        self.accepted = set(
            MandateApp.objects.filter(
                mandate__in=mandates.active(), request__status=AuthorisationRequest.Status.ACTIVE
            ).values_list("mandate", "app")
        )
        pending = AuthorisationRequest.objects.open().filter(
            accountant=environment, mandate__registration_number__in=numbers
        )
        who = ("email", "mandate__country", "mandate__registration_number", "app")
        self.pending = {row[:-1]: row[-1] for row in pending.values_list(*who, "sent_at")}
        self.line_of = {}

    def objections(self, number, values):
        """What stands before sending this line; lines are given in their order."""
        app, email = values["app"], values["email"]
        who = values["country"], values["registration_number"]
        line = (email, *who, app.pk)
        earlier = self.line_of.setdefault(line, number)
        mandate = self.mandates.get(who)
        if earlier != number:
            return [_("The same as line %(number)s. Take one out.") % {"number": earlier}]
        if email in self.addresses:
            return [OwnAddress(email)]
        if who in self.organisations:
            return [OwnOrganisation(self.organisations[who])]
        if mandate and mandate.is_active and set(app.functions) <= set(mandate.functions):
            return [AlreadyClient(mandate)]
        if mandate and (mandate.pk, app.pk) in self.accepted:
            return [
                _(
                    "%(client)s has accepted this package already, and allowed less. Take the line out; "
                    "more is asked from the page of the client."
                )
                % {"client": mandate.name}
            ]
        if line in self.pending:
            day = date_format(timezone.localtime(self.pending[line]), _("j M Y"))
            return [
                _(
                    "Asked on %(day)s and pending; it is not sent again. Take the line out, or use "
                    '"Resend" on the page of that request.'
                )
                % {"day": day}
            ]
        return []


def _by_number(found):
    return {(one.country, one.registration_number): one for one in found}


def to_be_mended(batch):
    """The rows of the lines that were not sent: COLUMNS, WHY, and what stood beyond the header."""
    lines = batch.lines.filter(state__in=[State.WRONG, State.REFUSED]).order_by("number")
    for line in lines.iterator():
        cells = [line.values["cells"].get(column.name, "") for column in COLUMNS]
        yield [*cells, line.verdict, *line.values["surplus"]]


# Sending


@transaction.atomic
def start(*, batch, by) -> bool:
    """Let the worker send the lines that are Ready; a second click changes nothing and answers False.

    Raises NoAccountantRight.
    """
    if not (by.may(Permission.SEND_REQUESTS) and by.environment.may_send_requests):
        raise NoAccountantRight
    batch = Batch.objects.select_for_update(no_key=True).get(pk=batch.pk)
    ready = batch.lines.filter(state=State.READY).count()
    if batch.started_at or not ready:
        return False
    batch.started_at = timezone.now()
    batch.save(update_fields=["started_at"])
    record(
        Action.REQUESTS_STARTED,
        by=by,
        subject=batch,
        environment=batch.environment,
        requests=ready,
    )
    return True


def send_next(limit=20) -> int:
    """Send about `limit` lines of the files that were started, and answer how many were handled.

    Every file gets its share; one of an environment that may send no more mails today waits, and one of a
    blocked environment waits until support unblocks it. Several
    workers may run: a line is locked, sent and marked in one transaction, so that an end at any moment
    leaves it either sent and marked, or neither.
    """
    batches = [
        batch for batch in _sending() if ActivationLink.objects.left_today(batch.environment)
    ]
    share = max(1, limit // max(1, len(batches)))
    return sum(_send_share(batch, share) for batch in batches[:limit])


def _sending():
    found = Batch.objects.sending().filter(environment__blocked_at__isnull=True)
    found = found.select_related("by", "environment")
    return found.order_by("started_at", "pk")


def _send_share(batch, most):
    with translation.override(batch.by.language):
        by = batch.by
        if by.environment_id != batch.environment_id or not by.may(Permission.SEND_REQUESTS):
            return _refuse_rest(batch)
        for number in range(most):
            try:
                found = _send_one(batch)
            except WAIT:  # another worker spent the rest of the day, or support has just blocked it
                return number
            if not found:
                _finish(batch)
                return number
        return most


def _refuse_rest(batch):
    verdict = _(
        "%(person)s uploaded this file and may not send requests any more. Upload it again yourself."
    ) % {"person": batch.by}
    rest = batch.lines.filter(state=State.READY)
    refused = rest.update(state=State.REFUSED, verdict=_verdict([verdict]))
    _finish(batch)
    return refused


@transaction.atomic
def _send_one(batch):
    """Send the first line that is Ready and that no other worker has; answer whether there was one."""
    ready = batch.lines.filter(state=State.READY).order_by("number")
    line = ready.select_for_update(skip_locked=True).first()
    if line is None:
        return False
    line.state, line.verdict = State.SENT, ""
    try:
        with transaction.atomic():
            line.request = _ask(batch, line)
    except AlreadySent as already:
        line.request = already.request
    except WAIT:
        raise
    except Refused as refused:
        line.state, line.verdict = State.REFUSED, _verdict([refused])
    except (OperationalError, InterfaceError):  # the database, not the line
        raise
    except Exception:  # one line must not keep all that comes after it
        log.exception("line %s of file %s could not be sent", line.number, batch.uuid)
        line.state = State.REFUSED
        line.verdict = _("This line could not be sent; the fault is ours. Try it again later.")
    line.save(update_fields=["state", "verdict", "request"])
    return True


class NoPackage(Refused):
    def __init__(self):
        super().__init__(_("This software package is not offered any more."))


def _ask(batch, line):
    asked = dict(line.values["ask"])
    app = packages().select_related(None).filter(pk=asked.pop("app")).first()
    if app is None:
        raise NoPackage
    op_id = uuid.uuid5(batch.uuid, str(line.number))
    return ask(app=app, functions=app.functions, op_id=op_id, by=batch.by, **asked)


def _finish(batch):
    """Say that a file is done, when no line of it is Ready, not even in the hands of another worker."""
    unfinished = Batch.objects.sending().filter(pk=batch.pk)
    unfinished.exclude(lines__state=State.READY).update(finished_at=timezone.now())
