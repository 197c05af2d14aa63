from django.core.management.base import BaseCommand, CommandError

from accounts.events import guards
from accounts.events.verifying import verdicts


class Command(BaseCommand):
    help = "Looks whether every line of the activity logs is as it was written; ends with 1 where one is not."

    def handle(self, **options):
        bent = 0
        for verdict in verdicts():
            log = verdict.environment or "The portal itself"
            if verdict.fault:
                bent += 1
                self.stdout.write(self.style.ERROR(f"{log}: {verdict.fault}"))
            else:
                waits = f", {verdict.waiting} more wait for their place" * bool(verdict.waiting)
                self.stdout.write(
                    f"{log}: unbent up to line {verdict.number}{waits}."
                    f" Check value {verdict.number}-{verdict.link}"
                )
        if not guards.stand():
            raise CommandError("The database does not guard the logs: run manage.py migrate.")
        if bent:
            raise CommandError(f"Bent logs: {bent}. See docs/activity-log.md.")
