from django.core.management.base import BaseCommand, CommandError

from accounts.events.models import Event
from accounts.events.services import erase_name


class Command(BaseCommand):
    help = "Takes the name of a removed user out of the activity logs; the lines stay, and still verify."

    def add_arguments(self, parser):
        parser.add_argument("user", type=int, help="the number in the address of the user's page")

    def handle(self, *, user, **options):
        people = Event.actor.field.related_model.objects
        found = people.filter(pk=user, removed_at__isnull=False).first()
        if found is None:
            raise CommandError(f"No removed user has the number {user}.")
        self.stdout.write(f"The name is out of {erase_name(user=found)} lines.")
