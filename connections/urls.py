from django.urls import include, path

from connections.views import (
    apps,
    clients,
    connection,
    create,
    docs,
    metadata,
    organisations,
    overview,
    people,
    requests,
    running,
    testing,
    vendors,
)

app_name = "connections"

of_connection = [
    path("", connection.detail, name="connection"),
    path("keys/", connection.new_keys, name="new-keys"),
    path("rotate/", connection.rotate, name="rotate"),
    path("end-older/", running.end_older, name="end-older"),
    path("expiry/", running.expiry, name="expiry"),
    path("pause/", running.pause, name="pause"),
    path("resume/", running.resume, name="resume"),
    path("organisations/", organisations.add, name="add-organisation"),
    path("organisations/<int:other>/remove/", organisations.remove, name="remove-organisation"),
    path("take-over/", connection.take_over, name="take-over"),
    path("accesses/", connection.accesses, name="accesses"),
    path("test/", testing.test, name="test"),
    path("revoke/", connection.revoke, name="revoke"),
    path("delete/", connection.delete, name="delete"),
]

of_organisation = [
    path("", overview.overview_of, name="overview-of"),
    path("new/", create.choose_package, name="new"),
    path("new/own-app/", create.new_own_app, name="new-own-app"),
    path("new/<int:app>/", create.create, name="create"),
    path("shared/<uuid:connection>/", organisations.leave, name="leave"),
    path("<int:number>/", include(of_connection)),
]

of_person = [
    path("", people.api_access, name="api-access"),
    path("new/", people.new_key, name="new-key"),
    path("new/<str:organisation_id>/", people.create_key, name="create-key"),
    path("<str:organisation_id>/accesses/", people.accesses, name="person-accesses"),
]

urlpatterns = [
    path("connections/", overview.overview, name="overview"),
    path("connections/new/", create.choose_organisation, name="choose-organisation"),
    path("organisations/<str:organisation>/connections/", include(of_organisation)),
    path("users/<int:pk>/api-access/", include(of_person)),
    path("clients/", clients.clients, name="clients"),
    path("clients/clients.csv", clients.clients_csv, name="clients-csv"),
    path("clients/<uuid:mandate>/", clients.client, name="client"),
    path("partners/<uuid:partnership>/end/", clients.end_partnership, name="end-partnership"),
    path("apps/<int:pk>/", apps.details, name="app"),
    path("apps/<int:pk>/edit/", apps.edit, name="edit-app"),
    path("logos/<slug:digest>.png", apps.logo, name="logo"),
    path("methods/", vendors.methods, name="methods"),
    path("connect/", vendors.connect, name="connect"),
    path("vendors/", vendors.vendors, name="vendors"),
    path("found/", vendors.found, name="found"),
    path("requests/", requests.look_up, name="request"),
    path("requests/<str:request_id>/ask/", requests.ask, name="ask-to-change"),
    path("api/docs/", docs.api_docs, name="api-docs"),
    path(
        ".well-known/oauth-authorization-server",
        metadata.authorization_server,
        name="authorization-server",
    ),
]
