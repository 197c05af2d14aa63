"""Connections that live on a person, for the file with all that the portal knows (accounts.export)."""

from accounts.export import part_of_export
from connections.models import Connection


@part_of_export("connections")
def _connections(user):
    """Those that live on the person, with their App Keys; of Secrets nobody knows more than a digest."""
    owned = Connection.objects.filter(owner=user).for_list().order_by("pk")
    return [
        {
            "name": connection.name,
            "app": connection.app.name,
            "organisation": connection.organisation.organisation_id,
            "administration": connection.administration,
            "access": connection.access,
            "functions": connection.functions,
            "app_key": connection.app_key,
            "created_at": connection.created_at,
            "revoked_at": connection.revoked_at,
        }
        for connection in owned
    ]
