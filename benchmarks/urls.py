"""The portal's addresses, and the views that its own are compared with."""

from django.contrib.auth.decorators import login_not_required
from django.http import JsonResponse
from django.urls import path
from ninja import Router

from connections.api import MeOut, api, as_json
from connections.functions import FUNCTIONS

# As `me` answers to keys that open everything, from values that are there already.
ORGANISATION = {
    "id": "KPNL20001",
    "name": "Company 0010001",
    "registration_number": "20010001",
    "country": "NL",
    "addresses": ["0106:20010001"],
    "sending": True,
    "receiving": True,
}
ME = {
    "app": "Everything",
    "connection": "Bookkeeping",
    "app_key": "kpa_0123456789abcdef012345",
    "ends_at": None,
    "organisations": [ORGANISATION],
    "functions": [{"function": it.name, "scope": it.scope} for it in FUNCTIONS.values()],
}
PLAIN = {"text": "x" * 288}  # 300 bytes

router = Router()


@router.get("/me", response=MeOut)
def me_without_keys(request):
    """The same answer at the same place, without anything that a call's keys cost."""
    return as_json(ME)


api.add_router("/without-keys", router)
from portal.urls import urlpatterns as shipped  # noqa: E402 (it closes the list of routers)


@login_not_required
def plain(request):
    """A Django view without authentication, behind the stock middleware."""
    return JsonResponse(PLAIN)


urlpatterns = [path("plain", plain), *shipped]
