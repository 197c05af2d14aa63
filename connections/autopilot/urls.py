from django.urls import path

app_name = "autopilot"
urlpatterns = [
    path(
        "organisations/<str:organisation>/connections/<int:number>/autopilot/journal/",
        lambda request, organisation, number: None,
        name="journal",
    ),
]
