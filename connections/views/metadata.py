"""What OAuth libraries find out by themselves (RFC 8414)."""

from django.conf import settings
from django.http import JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.access import public_page
from connections.models import catalogue


@public_page
@require_safe
def authorization_server(request):
    ways = ["client_secret_basic", "client_secret_post"]
    return JsonResponse(
        {
            "issuer": settings.PORTAL_BASE_URL,
            "token_endpoint": _address("token"),
            "token_endpoint_auth_methods_supported": ways,
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": [],
            "scopes_supported": sorted({function.scope for function in catalogue().values()}),
            "revocation_endpoint": _address("revoke"),
            "revocation_endpoint_auth_methods_supported": ways,
            "introspection_endpoint": _address("introspect"),
            "introspection_endpoint_auth_methods_supported": ways[:1],
            "service_documentation": f"{settings.PORTAL_BASE_URL}{reverse('connections:api-docs')}",
        }
    )


def _address(name):
    return f"{settings.PORTAL_BASE_URL}{reverse(f'api:{name}')}"
