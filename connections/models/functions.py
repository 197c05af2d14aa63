"""The catalogue: the API functions of Koppel, and those of the operator's own API (R46)."""

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from connections.functions import FUNCTIONS, ApiFunction, in_order


class AddedFunction(models.Model):
    """A function of an API that the operator's gateway guards; apps and keys have it like a built-in one.

    Name and scope never change: keys, tokens and gateways know them.
    """

    name = models.CharField(
        _("name"),
        max_length=40,
        validators=[RegexValidator(r"\A[A-Z][A-Za-z0-9]{2,39}\Z", _("It looks like GetOrders."))],
    )
    scope = models.CharField(
        _("scope"),
        max_length=40,
        validators=[
            RegexValidator(r"\A[A-Z][A-Z0-9_]{2,39}\Z", _("It looks like RETRIEVE_ORDERS."))
        ],
    )
    label = models.CharField(
        _("what it lets software do"),
        max_length=100,
        help_text=_("In English; completes the sentence “The software may …”."),
    )
    label_nl = models.CharField(_("the same in Dutch"), max_length=100, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(Lower("name"), name="one_added_function_per_name")]

    def __str__(self):
        return self.name

    def clean(self):
        if self.name.lower() in (name.lower() for name in FUNCTIONS):
            raise ValidationError({"name": _("Koppel itself has a function of this name.")})
        if self.scope in (function.scope for function in FUNCTIONS.values()):
            raise ValidationError({"scope": _("Koppel itself has this scope.")})

    @property
    def label_here(self):
        return self.label_nl if self.label_nl and get_language() == "nl" else self.label

    @property
    def event_subject(self):
        return "function", self.pk, self.name


def catalogue() -> dict[str, ApiFunction]:
    """Every API function by its name, the built-in ones first. One query."""
    return FUNCTIONS | _built(AddedFunction.objects.all())


def functions_of(names) -> list[ApiFunction]:
    """The functions of these names in the order of the catalogue; a query only for names that are added."""
    others = [name for name in names if name not in FUNCTIONS]
    added = _built(AddedFunction.objects.filter(name__in=others)) if others else {}
    return [*in_order(names), *added.values()]


def function_named(name: str) -> ApiFunction | None:
    """The function of this very name, or None; a query only where it is no built-in one."""
    return next(iter(functions_of([name])), None) if "\0" not in name else None


def _built(added):
    return {
        function.name: ApiFunction(function.name, function.scope, "", "", function.label_here)
        for function in added.order_by("pk")
        if function.name not in FUNCTIONS  # a later release may have brought the name along
    }
