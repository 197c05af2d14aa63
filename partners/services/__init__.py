"""What accountants and clients do with each other.

Every service is one transaction with its events, for both sides, and its mails; `by` is the acting user. A
service that says no raises a `Refused` whose text is a sentence for that person. What takes several locks
takes them in this order: environment, organisation, request, mandate. The locks are `no_key`: whoever only
refers to a locked row, with an event for instance, does not wait for it, so no two wait for each other.
"""

from accounts.refusals import Refused as Refused
from partners.services.partnerships import assign as assign
from partners.services.partnerships import assign_to_many as assign_to_many
from partners.services.partnerships import change_functions as change_functions
from partners.services.partnerships import end as end
from partners.services.partnerships import readmit_person as readmit_person
from partners.services.partnerships import remove_person as remove_person
from partners.services.requests import REMINDED_AT_ONCE as REMINDED_AT_ONCE
from partners.services.requests import accept as accept
from partners.services.requests import ask as ask
from partners.services.requests import decline as decline
from partners.services.requests import expire_due as expire_due
from partners.services.requests import may_answer as may_answer
from partners.services.requests import remind as remind
from partners.services.requests import resend as resend
from partners.services.requests import tell_administrators as tell_administrators
from partners.services.requests import to_be_reminded as to_be_reminded
from partners.services.requests import warn_due as warn_due
from partners.services.requests import withdraw as withdraw
