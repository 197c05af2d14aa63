from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Max
from django.utils import timezone

from accounts.mfa import encrypt_anew
from connections.autopilot.models import SigningSecret
from connections.models import Gateway, KeySet
from portal import server_keys
from portal.server_keys import TURNING, NotNow, ServerKeysError

MOST_SHOWN = 20
# What each is for, and when its key should turn.
INVENTORY = {
    "peppers": ("under these lie the digests of all Secrets", "every 2 years; when it leaked"),
    "secret_key": ("signs sessions and links in mails", "every year; at once when it leaked"),
    "mfa_key": ("encrypts authenticator apps and recovery codes", "every 2 years; when it leaked"),
    "signing_keys": ("the signing secrets of Autopilot come from these", "when it leaked"),
    "chain_key": ("seals the lines of the activity log", "never: the lines could not be checked"),
    "books_key": ("Koppel Books, for demonstrations", "never: delete it, and paste the keys again"),
}


class Command(BaseCommand):
    help = "Shows the keys of this server, and turns them in two steps; see docs/server-keys.md."
    requires_system_checks = []  # it is what puts right what they find

    def add_arguments(self, parser):
        steps = parser.add_subparsers(dest="step", required=True, metavar="step")
        steps.add_parser("list", help="every key, what hangs on it, when it should turn")
        for step, about in {
            "add": "give every process a new key to read with; makes nothing with it yet",
            "switch": "make the new key the one that is used",
            "drop": "take an old key away on which nothing hangs",
        }.items():
            command = steps.add_parser(step, help=about)
            command.add_argument("file", choices=TURNING)
            if step == "drop":
                command.add_argument("number", type=int)

    def handle(self, *, step, **options):
        try:
            getattr(self, f"_{step}")(options.get("file"), options.get("number"))
        except (NotNow, ServerKeysError) as error:
            raise CommandError(str(error)) from None

    def _list(self, _file, _number):
        for name, (purpose, when) in INVENTORY.items():
            self.stdout.write(f"{name}: {purpose}. Turns {when}.")
            if name in TURNING:
                found = server_keys.read(settings.PORTAL_DATA, name)
                for number in sorted(found.keys):
                    self.stdout.write(f"  {number}{_state(found, number)}{_hanging(name, number)}")
                    for line in _older_keys(name, number, found.current):
                        self.stdout.write(f"      {line}")

    def _add(self, name, _number):
        number = server_keys.add(settings.PORTAL_DATA, name)
        self.stdout.write(
            f"Key {number} is in {TURNING[name]}; nothing is made with it yet. Copy the file "
            "to every machine, start all processes of the portal anew there, then run "
            f"manage.py server_keys switch {name}"
        )

    def _switch(self, name, _number):
        number = server_keys.switch(settings.PORTAL_DATA, name)
        self.stdout.write(
            f"Key {number} is the current one in {TURNING[name]}. Copy the file to every machine, and start "
            "all processes of the portal anew there. Keep the old key until nothing hangs on it: "
            "manage.py server_keys list"
        )

    def _drop(self, name, number):
        check = {
            "peppers": _let_go_of_pepper,
            "signing_keys": _refuse_signing_key,
            "mfa_key": _encrypt_anew,
            "secret_key": lambda number: "Whoever was still signed in with it signs in again.",
        }[name]
        done = []
        server_keys.drop(
            settings.PORTAL_DATA, name, number, check=lambda: done.append(check(number))
        )
        self.stdout.write(
            f"Key {number} is gone from {TURNING[name]}. {done[0]} Copy the file to every machine, and start "
            "all processes of the portal anew there."
        )


def _state(found, number):
    if number == found.current:
        return ", in use"
    return ", waits for the switch" if number > found.current else ", old"


def _hanging(name, number):
    if name == "peppers":
        live, gateways = _key_sets(number).count(), _gateways(number).count()
        return f": {live} live key sets, {gateways} gateways"
    if name == "signing_keys":
        return f": {_signing_secrets(number).count()} live signing secrets"
    return ""


def _older_keys(name, number, current):
    """The key sets that still hang on an old pepper, those that were silent longest first."""
    if name != "peppers" or number >= current:
        return
    found = _key_sets(number).select_related("connection__organisation")
    for key_set in found.order_by("last_used_at", "pk")[:MOST_SHOWN]:
        organisation = key_set.connection.organisation.organisation_id
        yield f"{key_set.app_key} of {organisation}, {_used(key_set.last_used_at)}"
    if found.count() > MOST_SHOWN:
        yield f"and {found.count() - MOST_SHOWN} more"


def _used(at):
    return f"last used on {timezone.localtime(at):%Y-%m-%d}" if at else "never used"


def _key_sets(number):
    return KeySet.objects.kept().filter(pepper=number)


def _gateways(number):
    return Gateway.objects.filter(pepper=number, ended_at__isnull=True)


def _signing_secrets(number):
    return SigningSecret.objects.live().filter(key=number)


def _let_go_of_pepper(number):
    """Refuse while somebody can call with what hangs on it; forget what was retired under it."""
    live, gateways = _key_sets(number), _gateways(number).count()
    if live.exists() or gateways:
        last = _used(live.aggregate(last=Max("last_used_at"))["last"])
        raise NotNow(
            f"{live.count()} live key sets ({last}) and {gateways} gateways hang on key {number}. "
            "Each moves to the current key with its next call. Ask the owners for new keys, or revoke them: "
            "manage.py server_keys list names them."
        )
    wiped = KeySet.objects.filter(pepper=number).wipe()
    return f"Calls with {wiped} retired key sets are answered as those of strangers from now on."


def _refuse_signing_key(number):
    live = _signing_secrets(number).count()
    if live:
        raise NotNow(
            f"{live} live signing secrets come from key {number}. Their connections need a new "
            "signing secret first."
        )
    return "Nothing hung on it."


def _encrypt_anew(_number):
    return f"{encrypt_anew()} authenticators are encrypted under the current key."
