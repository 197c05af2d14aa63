"""One trivial view behind each of them."""

from django.urls import path
from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from oauth2_provider.contrib.rest_framework import OAuth2Authentication, TokenHasScope
from rest_framework.authentication import TokenAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_api_key.permissions import HasAPIKey


class Trivial(APIView):
    def get(self, request):
        return Response({"ok": True})


class ApiKey(Trivial):
    permission_classes = [HasAPIKey]


class Knox(Trivial):
    authentication_classes = [KnoxTokenAuthentication]
    permission_classes = [IsAuthenticated]


class Token(Trivial):
    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]


class OAuth(Trivial):
    authentication_classes = [OAuth2Authentication]
    permission_classes = [TokenHasScope]
    required_scopes = ["read"]


urlpatterns = [
    path("none", Trivial.as_view()),
    path("api-key", ApiKey.as_view()),
    path("knox", Knox.as_view()),
    path("token", Token.as_view()),
    path("oauth", OAuth.as_view()),
]
