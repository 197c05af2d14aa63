from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal import backups
from portal.server_keys import ServerKeysError


class Command(BaseCommand):
    help = "Backs the database up into one file, while the portal works. The server keys are not in it."

    def add_arguments(self, parser):
        parser.add_argument("folder", nargs="?", type=Path, help="default: PORTAL_BACKUPS")
        parser.add_argument(
            "--keep", type=int, default=35, metavar="DAYS", help="remove older ones (35)"
        )

    def handle(self, *, folder, keep, **options):
        if not 1 <= keep <= 3650:
            raise CommandError("--keep takes a number of days from 1 to 3650.")
        folder = (folder or settings.PORTAL_BACKUPS).resolve()
        try:
            file, manifest, faults = backups.make(folder)
            removed = backups.drop_old(folder, keep)
        except (backups.BackupError, ServerKeysError, OSError) as error:
            raise CommandError(str(error)) from None
        made = datetime.fromisoformat(manifest["made"])
        self.stdout.write(f"Backup of {made:%Y-%m-%d %H:%M:%S} UTC: {file}")
        self.stdout.write(f"SHA-256 {manifest['sha256']}, with its manifest {file.name}.json.")
        if removed:
            self.stdout.write(f"Removed, older than {keep} days: {len(removed)}.")
        self.stdout.write(
            f"The server keys are not in it. Keep a copy of {settings.PORTAL_DATA / 'secrets'} in another"
            f" place, and one of the journal {settings.PORTAL_JOURNAL} as it grows."
        )
        for fault in faults:
            self.stdout.write(self.style.ERROR(fault))
        if faults:
            raise CommandError("The backup is whole, but activity logs in it are bent.")
        self.stdout.write("The activity logs in it are unbent.")
