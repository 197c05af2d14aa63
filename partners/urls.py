from django.urls import path

from partners.views import batches, partnerships, received, sent

app_name = "partners"

urlpatterns = [
    path("authorisations/", sent.authorisations, name="authorisations"),
    path("authorisations/sent/", sent.sent, name="sent"),
    path("authorisations/new/", sent.new, name="new"),
    path("authorisations/functions/", sent.functions, name="functions"),
    path("authorisations/remind/", sent.remind, name="remind"),
    path("authorisations/sent/<uuid:uuid>/", sent.request_page, name="request"),
    path("authorisations/sent/<uuid:uuid>/resend/", sent.resend, name="resend"),
    path("authorisations/sent/<uuid:uuid>/withdraw/", sent.withdraw, name="withdraw"),
    path("authorisations/received/", received.received, name="received"),
    path("authorisations/received/<uuid:uuid>/", received.consent, name="consent"),
    path("authorisations/received/<uuid:uuid>/accept/", received.accept, name="accept"),
    path("authorisations/received/<uuid:uuid>/decline/", received.decline, name="decline"),
    path(
        "authorisations/received/<uuid:uuid>/organisation/",
        received.add_organisation,
        name="add-organisation",
    ),
    path("authorisations/link/<str:token>/", received.activation, name="activation"),
    path("authorisations/file/", batches.upload, name="upload"),
    path("authorisations/file/template.csv", batches.template, name="template"),
    path("authorisations/file/<uuid:batch>/", batches.batch, name="batch"),
    path("authorisations/file/<uuid:batch>/send/", batches.send, name="batch-send"),
    path("authorisations/file/<uuid:batch>/mend.csv", batches.mend, name="batch-mend"),
    path("partners/", partnerships.partners, name="partners"),
    path("partners/<uuid:partnership>/", partnerships.partnership, name="partnership"),
    path(
        "partners/<uuid:partnership>/<str:organisation_id>/functions/",
        partnerships.functions,
        name="partner-functions",
    ),
    path(
        "partners/<uuid:partnership>/<str:organisation_id>/people/<int:person>/remove/",
        partnerships.remove_person,
        name="remove-person",
    ),
    path(
        "partners/<uuid:partnership>/<str:organisation_id>/people/<int:person>/readmit/",
        partnerships.readmit_person,
        name="readmit-person",
    ),
    path("clients/assign/", partnerships.assign_many, name="assign"),
    path("clients/<uuid:mandate>/colleagues/", partnerships.colleagues, name="colleagues"),
]
