from django.urls import path

from accounts.views import (
    activity,
    environment,
    integrations,
    invitations,
    leaving,
    notices,
    profile,
    users,
)

app_name = "accounts"

urlpatterns = [
    path("users/", users.users, name="users"),
    path("users/invite/", users.invite, name="invite"),
    path("users/<int:pk>/", users.user, name="user"),
    path("users/<int:pk>/role/", users.role, name="user-role"),
    path("users/<int:pk>/organisations/", users.organisations, name="user-organisations"),
    path("users/<int:pk>/block/", users.block, name="user-block"),
    path("users/<int:pk>/unblock/", users.unblock, name="user-unblock"),
    path("users/<int:pk>/resend/", users.resend, name="user-resend"),
    path("users/<int:pk>/remove/", users.remove, name="user-remove"),
    path("invitations/<str:token>/", invitations.invitation, name="invitation"),
    path("profile/", profile.profile, name="profile"),
    path("profile/mails/", profile.mails, name="mails"),
    path("notices/", notices.notices, name="notices"),
    path("notices/newest/", notices.newest, name="newest-notices"),
    path("notices/read/", notices.read, name="read-notices"),
    path("notices/<int:pk>/", notices.notice, name="notice"),
    path("profile/data.zip", leaving.download, name="download-data"),
    path("profile/delete/", leaving.delete_account, name="delete-account"),
    path("environment/", environment.environment, name="environment"),
    path("environment/close/", leaving.close, name="close-environment"),
    path("environment/integrations/", integrations.integrations, name="integrations"),
    path("environment/integrations/activate/", integrations.activate, name="activate-integrations"),
    path("environment/integrations/end/", integrations.end, name="end-integrations"),
    path("organisations/add/", environment.add_organisation, name="add-organisation"),
    path("organisations/<str:organisation>/", environment.organisation, name="organisation"),
    path(
        "organisations/<str:organisation>/change/",
        environment.change_organisation,
        name="change-organisation",
    ),
    path("activity/", activity.activity, name="activity"),
    path("activity/activity.csv", activity.activity_csv, name="activity-csv"),
    path("activity/verify_export.py", activity.verifier, name="activity-verifier"),
    path("activity/activity.jsonl", activity.activity_jsonl, name="activity-jsonl"),
]
