"""API functions for templates that have only their names."""

from django import template

from connections.models import functions_of

register = template.Library()
register.filter("functions", functions_of)
