"""The software on the other side of the API, as the tests use it."""

import base64

from django.test import Client


class Software:
    """Calls the API with a pair of keys."""

    def __init__(self, pair, organisation):
        self.root = f"/api/v1/{organisation.organisation_id}"
        self.client = Client(raise_request_exception=False)
        self.authorization = basic(pair.app_key, pair.secret.reveal())

    def get(self, path, **query):
        return self.client.get(self._url(path), query, headers=self._headers())

    def send(self, xml, path="/outbox", **headers):
        return self.client.post(
            self._url(path), xml, content_type="application/xml", headers=self._headers() | headers
        )

    def put(self, path, body):
        return self.client.put(
            self._url(path), body, content_type="application/json", headers=self._headers()
        )

    def confirm(self, invoice):
        return self.client.post(self._url(f"/inbox/{invoice}/confirm"), headers=self._headers())

    def me(self):
        return self.client.get("/api/v1/me", headers=self._headers())

    def _url(self, path):
        return self.root + path

    def _headers(self):
        return {"Authorization": self.authorization}


def basic(app_key, secret):
    return "Basic " + base64.b64encode(f"{app_key}:{secret}".encode()).decode()


def cookies_of(person):
    """The cookies that a Person of tests.serving holds."""
    return next(it for it in person.opener.handlers if hasattr(it, "cookiejar")).cookiejar
