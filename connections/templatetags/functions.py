"""API functions for templates that have only their names."""

from django import template

from accounts.roles import Permission
from connections.models import Connection, functions_of

register = template.Library()
register.filter("functions", functions_of)


@register.filter
def handed_over_by(connection, user):
    """Whether `user` may hand this connection over to somebody else, as a member of its organisation.

    That is done for all organisations at once, on the page of the first one.
    """
    first = isinstance(connection, Connection)
    return first and user.may(Permission.TAKE_OVER) and connection.is_managed_by(user)


@register.filter
def take_over_url(connection):
    return connection.url("take-over")
