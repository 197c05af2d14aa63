"""An accounting package, as far as the stories need one: settings with two keys, and calls over HTTP."""

import json
from dataclasses import dataclass
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.software import basic


@dataclass
class Package:
    """What somebody typed or pasted into the settings of the software."""

    portal: str
    app_key: str
    secret: str
    organisation: str

    def test(self):
        """Its button "Test connection"."""
        return self._call("/me")

    def send(self, xml):
        return self._call(f"/{self.organisation}/outbox", xml)

    def sent(self):
        return self._numbers("outbox", "status")

    def received(self):
        return self._numbers("inbox", "delivery")

    def list_received(self):
        return self._call(f"/{self.organisation}/inbox")

    def ready(self):
        """The ids of the invoices that wait for it."""
        _status, page = self._call(f"/{self.organisation}/inbox?delivery=ready")
        return [item["id"] for item in page["items"]]

    def fetch(self, invoice):
        """Read an invoice, store it, and confirm that it is stored."""
        _status, xml = self._call(f"/{self.organisation}/inbox/{invoice}")
        self._call(f"/{self.organisation}/inbox/{invoice}/confirm", b"")
        return xml

    def _numbers(self, box, state):
        _status, page = self._call(f"/{self.organisation}/{box}")
        return {item["number"]: item[state] for item in page["items"]}

    def _call(self, path, body=None):
        headers = {
            "Authorization": basic(self.app_key, self.secret),
            "Content-Type": "application/xml",
        }
        try:
            with urlopen(Request(f"{self.portal}/api/v1{path}", body, headers)) as answer:
                return answer.status, _read(answer)
        except HTTPError as refusal:
            with refusal:
                return refusal.code, _read(refusal)


def _read(answer):
    body = answer.read()
    return (
        json.loads(body) if answer.headers["Content-Type"].startswith("application/json") else body
    )
