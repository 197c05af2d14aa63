"""The portal's table of contents."""

from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from accounts.views.profile import set_language
from connections import api as connections_api
from connections.api import api
from connections.endpoints import gateways, integration_requests, oauth, parties
from connections.invoices import api as invoices_api
from connections.views.overview import home
from portal import health
from portal.admin import second_factor_first

admin.site.login = secure_admin_login(second_factor_first(admin.site.login))

api.add_router("", connections_api.router)
api.add_router("", oauth.router)
api.add_router("", gateways.router)
api.add_router("", parties.router)
api.add_router("", integration_requests.router)
api.add_router("", invoices_api.router)

urlpatterns = [
    path("api/v1/", api.urls),  # first: each pattern on the way to it costs every call
    path("", home, name="home"),
    path("", include("connections.urls")),
    path("", include("connections.invoices.urls")),
    path("", include("connections.autopilot.urls")),
    path("", include("partners.urls")),
    path("", include("accounts.urls")),
    path("language/", set_language, name="set_language"),
    path("health/live", health.live, name="live"),
    path("health/ready", health.ready, name="ready"),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
]
if settings.PORTAL_BOOKS:
    urlpatterns.append(path("books/", include("connections.books.urls")))
