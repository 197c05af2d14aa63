from django.urls import include, path

from connections.autopilot import views

app_name = "autopilot"

of_connection = [
    path("journal/", views.journal, name="journal"),
    path("test/", views.test, name="test"),
    path("signing-secret/", views.new_signing_secret, name="new-signing-secret"),
]

urlpatterns = [
    path(
        "organisations/<str:organisation>/connections/",
        include(
            [
                path("new/<int:app>/autopilot/", views.switch_on, name="switch-on"),
                path("<int:number>/autopilot/", include(of_connection)),
            ]
        ),
    )
]
