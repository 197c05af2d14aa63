"""Statuses that a person set, for the file with all that the portal knows (accounts.export)."""

from accounts.export import part_of_export
from connections.invoices.models import Reoffer, StatusChange


@part_of_export("invoice_statuses")
def _statuses(user):
    changes = StatusChange.objects.filter(by=user).order_by("pk")
    return list(changes.values("at", "invoice__number", "status", "note"))


@part_of_export("re_offers")
def _reoffers(user):
    jobs = Reoffer.objects.filter(by=user).order_by("pk")
    return list(jobs.values("organisation__organisation_id", "number", "created_at", "finished_at"))
