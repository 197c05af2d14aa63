from django.urls import include, path

from connections.invoices.views import invoice, lists, reoffers

app_name = "invoices"

of_organisation = [
    path("", lists.received_of, name="received-of"),
    path("sent/", lists.sent_of, name="sent-of"),
    path("re-offer/", reoffers.reoffer, name="reoffer"),
    path("re-offer/<uuid:job>/", reoffers.reoffered, name="reoffered"),
    path("<uuid:uuid>/", invoice.detail, name="invoice"),
    path("<uuid:uuid>/status/", invoice.set_status, name="set-status"),
    path("<uuid:uuid>/original/", invoice.mark_as_original, name="mark-as-original"),
    path("<uuid:uuid>.xml", invoice.xml, name="xml"),
]

urlpatterns = [
    path("invoices/", lists.received, name="received"),
    path("invoices/sent/", lists.sent, name="sent"),
    path("organisations/<str:organisation>/invoices/", include(of_organisation)),
]
