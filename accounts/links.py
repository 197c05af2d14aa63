"""The pages of people and organisations that events are about."""

from accounts.events.links import pages_of
from accounts.models import Organisation


@pages_of("user")
def _users(user, references):
    found = user.environment.users.filter(pk__in=references)
    return {str(person.pk): person.get_absolute_url() for person in found}


@pages_of("organisation")
def _organisations(user, references):
    found = Organisation.objects.reachable_by(user).filter(organisation_id__in=references)
    return {there.organisation_id: there.get_absolute_url() for there in found}
