"""Requests and files of a person, for the file with all that the portal knows (accounts.export)."""

from accounts.export import part_of_export
from partners.models import AuthorisationRequest, Batch


@part_of_export("authorisation_requests")
def _requests(user):
    requests = AuthorisationRequest.objects
    return {
        "sent": _lines(requests.filter(asked_by=user)),
        "answered": _lines(requests.filter(answered_by=user)),
        "received": _lines(
            requests.received_by(user.environment_id).filter(email__in=user.proved_addresses)
        ),
    }


@part_of_export("request_files")
def _files(user):
    batches = Batch.objects.filter(by=user).order_by("pk")
    return list(batches.values("file_name", "created_at", "started_at", "finished_at"))


def _lines(requests):
    return list(
        requests.order_by("pk").values(
            *("created_at", "accountant__name", "client_name", "email", "app__name"),
            *("mandate__country", "mandate__registration_number", "functions", "accountant_pays"),
            *("language", "note", "status", "closed_at"),
        )
    )
