from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal.backups import BackupError, opened
from portal.restoring import restore

KINDS = {
    "connection": "connections, with their keys",
    "partnership": "partnerships",
    "client": "accesses of accountants to a client",
    "user": "people (blocked, removed, lowered, or another way to sign in)",
    "environment": "environments (closed, blocked, without a service)",
    "request": "authorisation requests",
    "app": "apps",
    "gateway": "gateways",
}


class Command(BaseCommand):
    help = "Puts a backup back, and ends again what has ended since by the journal. Stop the portal first."

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--journal",
            type=Path,
            nargs="+",
            action="extend",
            default=[],
            help="journals of other machines, files or folders; that of this one is always read",
        )
        parser.add_argument(
            "--without-journal",
            action="store_true",
            help="when every journal is lost: keys that were revoked since the backup work again",
        )

    def handle(self, *, file, without_journal, **options):
        files = [] if without_journal else journals(options["journal"])
        try:
            restored = restore(file.resolve(), opened(file.resolve()), files)
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from None
        self._say_what_is_back(restored, files)
        self._say_what_is_lost(restored)
        self._say_what_to_do(restored)

    def _say_what_is_back(self, restored, files):
        self.stdout.write(f"Put back: the state of {restored.made:%Y-%m-%d %H:%M:%S} UTC.")
        if files:
            self.stdout.write(f"Journals: {', '.join(map(str, files))}.")
        else:
            self.stdout.write(
                self.style.ERROR("Without a journal: what ended since is alive again.")
            )
        if restored.torn:
            self.stdout.write(f"Lines of the journals that cannot be read: {restored.torn}.")
        for kind, words in KINDS.items():
            if restored.ended.get(kind):
                self.stdout.write(f"Ended again: {restored.ended[kind]} {words}.")
        if not restored.ended:
            self.stdout.write("By the journal nothing has ended since.")
        self.stdout.write("All sessions and SecurityTokens are over; people sign in anew.")

    def _say_what_is_lost(self, restored):
        self.stdout.write(f"Lines of the activity logs that are lost: {restored.lost_lines}.")
        if restored.lost_keys:
            self.stdout.write(
                "App Keys that were made after the backup and must be made again by their owners:"
            )
            for app_key in restored.lost_keys:
                self.stdout.write(f"  {app_key}")
        if restored.without_address:
            self.stdout.write(
                "People who changed their address since; give them the new one in the admin, numbers "
                + ", ".join(restored.without_address)
            )
        self.stdout.write(
            "What else was made or given after the backup is lost: connections, invoices, invitations,"
            " roles and accesses that were raised. Mails that waited at that time may go out twice."
        )

    def _say_what_to_do(self, restored):
        self.stdout.write("Next:")
        self.stdout.write("  1. manage.py verify_events says that the activity logs are unbent.")
        self.stdout.write("  2. Start the portal, and see that /health/ready answers 200.")
        self.stdout.write(
            "  3. Tell your customers what is lost, and whose keys must be made again."
        )
        if restored.kept:
            self.stdout.write(
                f"The database of before is kept as {restored.kept}: remove it when all is well."
            )


def journals(more):
    """The journals to read: all in the folder of this machine, and those that somebody named."""
    found = []
    for place in [settings.PORTAL_JOURNAL, *more]:
        if place in more and not place.exists():
            raise CommandError(f"{place} is not there.")
        found += sorted(place.glob("*.jsonl")) if place.is_dir() else [place] * place.exists()
    if not found:
        raise CommandError(
            f"There is no journal in {settings.PORTAL_JOURNAL}: what has ended since the backup would"
            " come to life again. Name a copy with --journal; when all are lost, --without-journal."
        )
    return list(dict.fromkeys(it.resolve() for it in found))
