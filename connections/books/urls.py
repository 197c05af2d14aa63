"""The addresses of Koppel Books, below /books/."""

from django.urls import path

from connections.books import views

app_name = "books"

urlpatterns = [
    path("", views.invoices, name="invoices"),
    path("fetch/", views.fetch, name="fetch"),
    path("send/", views.send, name="send"),
    path("invoices/<uuid:uuid>/", views.invoice, name="invoice"),
    path("invoices/<uuid:uuid>/send/", views.send_again, name="send-again"),
    path("settings/", views.settings, name="settings"),
    path("settings/organisation/", views.choose, name="choose"),
    path("settings/test/", views.test, name="test"),
    path("settings/disconnect/", views.disconnect, name="disconnect"),
    path("connect/", views.connect, name="connect"),
    path("guide/", views.guide, name="guide"),
    path("guide/key/", views.guide_key, name="guide-key"),
    path("guide/numbers/", views.guide_numbers, name="guide-numbers"),
    path("guide/done/", views.guide_done, name="guide-done"),
    path("secret/", views.secret, name="secret"),
]
