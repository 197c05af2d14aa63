"""API functions for templates that have only their names."""

from django import template

from connections.functions import in_order

register = template.Library()
register.filter("functions", in_order)
