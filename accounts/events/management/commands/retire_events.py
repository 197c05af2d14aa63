from datetime import timedelta

from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.events.models import Event
from accounts.events.services import retire


class Command(BaseCommand):
    help = "Takes old lines out of the activity logs, behind a sealed checkpoint."

    def add_arguments(self, parser):
        parser.add_argument(
            "--years", type=int, required=True, help="how many years a line stays (at least 1)"
        )

    def handle(self, *, years, **options):
        before = timezone.now() - timedelta(days=max(years, 1) * 365.25)
        environments = Event.environment.field.related_model.objects
        for environment in environments.filter(events__at__lt=before).distinct():
            gone = retire(environment=environment, before=before)
            self.stdout.write(f"{environment}: {gone} lines left the log.")
