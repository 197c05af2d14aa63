"""The pages of connections, Own Apps and clients that events are about."""

from accounts.events.links import pages_of
from connections.models import App, Connection
from partners.models import Mandate


@pages_of("connection")
def _connections(user, references):
    found = Connection.objects.listed().within_reach_of(user).filter(uuid__in=references)
    return {str(it.uuid): it.get_absolute_url() for it in found.select_related("organisation")}


@pages_of("app")
def _own_apps(user, references):
    found = App.objects.seen_by(user).filter(pk__in=references)
    return {str(app.pk): app.get_absolute_url() for app in found}


@pages_of("client")
def _clients(user, references):
    found = Mandate.objects.seen_by(user).filter(uuid__in=references)
    return {str(mandate.uuid): mandate.get_absolute_url() for mandate in found}
