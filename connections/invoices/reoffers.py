"""Re-offer to API: received invoices are put before connections again, one or thousands (R50).

A re-offer is rows that wait (decision 11): the worker takes some lines at a time, and judges, offers and
marks them in one transaction. So it goes on where it was ended, and nothing is offered twice.
"""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.events.models import Action
from accounts.events.services import record
from accounts.models import Organisation
from accounts.roles import Permission
from accounts.services import Refused
from connections.invoices.models import Offer, Reoffer, ReofferLine
from connections.invoices.services import connections_that_fetch
from connections.models import Connection
from connections.services import OutOfReach, entered

MOST_AT_ONCE = 10_000  # invoices in one re-offer
RIGHT_AWAY = 200  # as many are not left to the worker
State = ReofferLine.State


class NothingConnected(Refused):
    def __init__(self, organisation):
        super().__init__(
            _(
                "No software may fetch the invoices of %(organisation)s now, so there is nobody to offer "
                "them to. Connect software first."
            )
            % {"organisation": organisation.name}
        )


class NoConnectionChosen(Refused):
    def __init__(self):
        super().__init__(_("Choose at least one connection to offer the invoices to."))


class NothingChosen(Refused):
    def __init__(self):
        super().__init__(_("Tick at least one received invoice."))


@transaction.atomic
def reoffer(*, invoices, organisation, connections, by) -> Reoffer:
    """Put `invoices` before `connections` of `organisation` again, as far as those may fetch them (R50).

    People of a partner put them before the connections of that partner alone. `invoices` is a queryset; of
    those in the inbox or outbox of the organisation the oldest MOST_AT_ONCE are taken. What was retrieved is
    ready again, and the software gets it a second time. Up to RIGHT_AWAY are done when this returns, more
    by `reoffer_next`; each line says what was refused and why.
    Raises OutOfReach, NothingConnected, NoConnectionChosen and NothingChosen.
    """
    organisation = entered(organisation, by)
    may_fetch = connections_to_offer(organisation, by)
    if not may_fetch:
        raise NothingConnected(organisation)
    chosen = [connection for connection in may_fetch if connection in connections]
    if not chosen:
        raise NoConnectionChosen
    oldest = invoices.of(organisation).order_by("created_at", "pk")[:MOST_AT_ONCE]
    found = list(oldest.values_list("pk", flat=True))
    if not found:
        raise NothingChosen
    job = Reoffer.objects.create(organisation=organisation, by=by, number=len(found))
    job.connections.set(chosen)
    ReofferLine.objects.bulk_create(ReofferLine(reoffer=job, invoice_id=pk) for pk in found)
    record(
        Action.INVOICES_REOFFERED,
        by=by,
        subject=organisation,
        environment=organisation.environment,
        organisation=organisation,
        invoices=job.number,
        connections=[str(connection) for connection in chosen],
    )
    if job.number <= RIGHT_AWAY:
        _offer_some(job, RIGHT_AWAY)
    return job


def reoffer_next(limit=RIGHT_AWAY) -> int:
    """Do about `limit` lines of the re-offers that run, each its share, and answer how many were done.

    Several workers may run. Those that support blocks wait.
    """
    running = Reoffer.objects.running().not_blocked().select_related("organisation", "by")
    jobs = list(running.order_by("created_at")[:limit])
    share = max(1, limit // max(1, len(jobs)))
    return sum(_offer_some(job, share) for job in jobs)


def connections_to_offer(organisation, by) -> list[Connection]:
    """Of the connections that may fetch, those that `by` may offer invoices to again."""
    return [it for it in connections_that_fetch(organisation) if may_offer_to(it, organisation, by)]


def may_offer_to(connection, organisation, by) -> bool:
    """Whether `by` may put invoices of `organisation` before it: partners before their own ones (R34)."""
    return by.environment_id in (organisation.environment_id, connection.made_by.pk)


@transaction.atomic
def _offer_some(job, most):
    """Judge, offer and mark the first lines that wait; answer how many there were."""
    connections = _connections_now(job)  # under the lock of the organisation: one worker at a time
    if not Reoffer.objects.not_blocked().filter(pk=job.pk).exists():
        return 0
    lines = list(job.lines.waiting().select_related("invoice").order_by("pk")[:most])
    judged = {}
    for line in lines:
        judged.setdefault(_judge(line.invoice, job, connections), []).append(line)
    for state, those in judged.items():
        ReofferLine.objects.filter(pk__in=[line.pk for line in those]).update(state=state)
    _offer([line.invoice_id for line in judged.get(State.OFFERED, [])], connections, job)
    if not job.lines.waiting().exists():
        job.finished_at = timezone.now()
        job.save(update_fields=["finished_at"])
    return len(lines)


def _connections_now(job):
    """Those of the chosen connections that may fetch now; None where the person may not ask any more."""
    try:
        organisation = entered(job.organisation, job.by)
    except OutOfReach:
        return None
    allowed = Organisation.objects.reachable_by(job.by, "GetInboxDocument")
    if not (job.by.may(Permission.MANAGE_KEYS) and allowed.filter(pk=organisation.pk).exists()):
        return None
    chosen = set(job.connections.values_list("pk", flat=True))
    return [it for it in connections_to_offer(organisation, job.by) if it.pk in chosen]


def _judge(invoice, job, connections):
    if connections is None:
        return State.NO_ACCESS
    if invoice.receiver_id != job.organisation_id:
        return State.SENT
    if invoice.is_duplicate:
        return State.DUPLICATE
    return State.OFFERED if connections else State.NOTHING_CONNECTED


def _offer(invoices, connections, job):
    """What software has confirmed since the job began stays retrieved: it has it already."""
    if not invoices:
        return
    now = timezone.now()
    earlier = Offer.objects.filter(invoice__in=invoices, connection__in=connections)
    earlier.exclude(retrieved_at__gte=job.created_at).update(
        offered_at=now, offered_by=job.by, retrieved_at=None
    )
    Offer.objects.bulk_create(
        [
            Offer(invoice_id=pk, connection=connection, offered_at=now, offered_by=job.by)
            for pk in invoices
            for connection in connections
        ],
        ignore_conflicts=True,
    )
