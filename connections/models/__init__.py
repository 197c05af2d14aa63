"""Apps, connections, their keys, and what was called with them."""

from connections.models.apps import App, AppLogo
from connections.models.calls import CallCount, RefusedCall
from connections.models.connections import Access, Connection, Kind
from connections.models.functions import AddedFunction, catalogue, function_named, functions_of
from connections.models.further import FurtherOrganisation
from connections.models.gateways import Gateway
from connections.models.key_sets import KeyNotice, KeySet
from connections.models.tokens import SecurityToken

__all__ = [
    "Access",
    "AddedFunction",
    "App",
    "AppLogo",
    "CallCount",
    "Connection",
    "FurtherOrganisation",
    "Gateway",
    "KeyNotice",
    "KeySet",
    "Kind",
    "RefusedCall",
    "SecurityToken",
    "catalogue",
    "function_named",
    "functions_of",
]
