"""What people do with apps, connections and keys.

Every service is one transaction with its event and its mails; `by` is the acting user. A service that says
no raises a `Refused` whose text is a sentence for that person.
"""

from accounts.refusals import ChangedMeanwhile as ChangedMeanwhile
from accounts.refusals import Refused as Refused
from connections.refusals import (
    AddedAlready as AddedAlready,
)
from connections.refusals import (
    AlreadyConnected as AlreadyConnected,
)
from connections.refusals import (
    AlreadyCreated as AlreadyCreated,
)
from connections.refusals import (
    AskedAlready as AskedAlready,
)
from connections.refusals import (
    CannotOwn as CannotOwn,
)
from connections.refusals import (
    ConfirmFirst as ConfirmFirst,
)
from connections.refusals import (
    Ended as Ended,
)
from connections.refusals import (
    IntegrationsOff as IntegrationsOff,
)
from connections.refusals import (
    LastOrganisation as LastOrganisation,
)
from connections.refusals import (
    MoreThanYours as MoreThanYours,
)
from connections.refusals import (
    NameTaken as NameTaken,
)
from connections.refusals import (
    NobodyToAsk as NobodyToAsk,
)
from connections.refusals import (
    NoKeys as NoKeys,
)
from connections.refusals import (
    NoOwnAppsHere as NoOwnAppsHere,
)
from connections.refusals import (
    NotPaused as NotPaused,
)
from connections.refusals import (
    NotPlanned as NotPlanned,
)
from connections.refusals import (
    NotRetiring as NotRetiring,
)
from connections.refusals import (
    NotRevoked as NotRevoked,
)
from connections.refusals import (
    NotTheOwner as NotTheOwner,
)
from connections.refusals import (
    NotUsableThere as NotUsableThere,
)
from connections.refusals import (
    NotYours as NotYours,
)
from connections.refusals import (
    OutOfReach as OutOfReach,
)
from connections.refusals import (
    OwnerGone as OwnerGone,
)
from connections.refusals import (
    OwnsAlready as OwnsAlready,
)
from connections.refusals import (
    PausedAlready as PausedAlready,
)
from connections.refusals import (
    SameAdministration as SameAdministration,
)
from connections.refusals import (
    StillRetiring as StillRetiring,
)
from connections.refusals import (
    WithoutKeys as WithoutKeys,
)
from connections.services.accesses import (
    accesses_seen,
    change_accesses,
    change_accesses_of_person,
)
from connections.services.apps import change_own_app, create_own_app, store_logo
from connections.services.connections import (
    add_organisation,
    create_connection,
    delete,
    end_partnership,
    live_places_at,
    pause,
    remove_organisation,
    report_administration,
    resume,
    revoke,
    revoke_by_support,
    revoke_locked,
    shared_with,
    take_over,
)
from connections.services.keys import (
    Overlap,
    Reason,
    change_end,
    create_new_keys,
    end_found,
    end_if_overdue,
    end_older,
    end_overdue,
    replace_new_keys,
    rotate,
)
from connections.services.notices import (
    remind_unused,
    tell_safe_to_end,
    warn_of_expiry,
    warn_of_overlap,
)
from connections.services.standing import (
    accesses_of,
    entered,
    mandate_of,
    payer_for,
    places_of,
    who_could_own,
)
from partners.refusals import PartnershipEnded as PartnershipEnded

__all__ = [
    "Overlap",
    "Reason",
    "accesses_of",
    "accesses_seen",
    "add_organisation",
    "change_accesses",
    "change_accesses_of_person",
    "change_end",
    "change_own_app",
    "create_connection",
    "create_new_keys",
    "create_own_app",
    "delete",
    "end_found",
    "end_if_overdue",
    "end_older",
    "end_overdue",
    "end_partnership",
    "entered",
    "live_places_at",
    "mandate_of",
    "pause",
    "payer_for",
    "places_of",
    "remind_unused",
    "remove_organisation",
    "replace_new_keys",
    "report_administration",
    "resume",
    "revoke",
    "revoke_by_support",
    "revoke_locked",
    "rotate",
    "shared_with",
    "store_logo",
    "take_over",
    "tell_safe_to_end",
    "warn_of_expiry",
    "warn_of_overlap",
    "who_could_own",
]
