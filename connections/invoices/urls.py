from django.urls import include, path

from connections.invoices import views

app_name = "invoices"

of_organisation = [
    path("", views.received_of, name="received-of"),
    path("sent/", views.sent_of, name="sent-of"),
    path("re-offer/", views.reoffer, name="reoffer"),
    path("<uuid:uuid>/", views.detail, name="invoice"),
    path("<uuid:uuid>.xml", views.xml, name="xml"),
]

urlpatterns = [
    path("invoices/", views.received, name="received"),
    path("invoices/sent/", views.sent, name="sent"),
    path("organisations/<str:organisation>/invoices/", include(of_organisation)),
]
