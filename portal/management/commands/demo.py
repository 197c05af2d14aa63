import json

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from accounts.models import User
from connections.models import Connection
from portal.demo import story
from portal.demo.size import grow


class Command(BaseCommand):
    help = "Fills the demonstration: companies, apps, connections, invoices. Twice changes nothing."

    def add_arguments(self, parser):
        parser.add_argument(
            "--json", action="store_true", help="print logins, and the keys that this very run made"
        )
        parser.add_argument(
            "--if-new",
            action="store_true",
            help="bring the database up to date, and no more where anybody has signed up already",
        )

        parser.add_argument(
            "--size",
            type=int,
            default=0,
            metavar="N",
            help="add N client organisations to the accountancy",
        )

    def handle(self, *, if_new, size, **options):
        if if_new:  # here and not before: to start a process of its own takes a second
            call_command("migrate", verbosity=0)
        made = [] if if_new and User.objects.exists() else story.tell()
        if size:
            grow(User.objects.get(email=story.ACCOUNTANT), size)
        if options["json"]:
            self.stdout.write(
                json.dumps({"logins": story.logins(), "connections": _shown(made)}, indent=2)
            )
        elif User.objects.filter(email=story.SUPPORT).exists():
            self._print_logins()

    def _print_logins(self):
        self.stdout.write(
            f"\nThe demonstration at {settings.PORTAL_BASE_URL} has these logins, "
            f"all with the password {story.PASSWORD}:\n\n"
        )
        for login in story.logins():
            self.stdout.write(
                f"  {login['email']:<26} {login['role']:<14} {login['environment'] or 'Django admin'}"
            )
        self.stdout.write(
            "\nFirst thing to try: log in as sanne@demolen.example, choose Connections, Create new"
            "\nconnection, and pick a package. The Secret is shown once; docs/api.md shows what to do"
            "\nwith it.\n"
        )


def _shown(made):
    return [
        {
            "organisation": it.connection.organisation.organisation_id,
            "app": it.connection.app.name,
            "app_key": it.pair.app_key,
            "secret": it.pair.secret.reveal(),
            "functions": _functions(it.connection),
        }
        for it in made
    ]


def _functions(connection):
    now = Connection.objects.for_list().get(pk=connection.pk)
    return [] if now.is_revoked else sorted(now.rights.effective())
