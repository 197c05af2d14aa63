"""Every kind of page, through nginx and TLS, before MDN's HTTP Observatory: `make observatory`."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from portal.demo import story
from tests import cluster
from tests.serving import Person
from tests.software import cookies_of

SCANNER = os.environ.get("OBSERVATORY")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not (SCANNER and cluster.NGINX), reason="no scanner or no nginx"),
]


def test_every_kind_of_page_is_graded_a_plus(tmp_path, monkeypatch):
    """The API without its answer to plain http: the scanner wants a redirect there, and we refuse (403)."""
    with cluster.cluster(tmp_path, instances=1) as portal:
        monkeypatch.setenv("SSL_CERT_FILE", str(portal.certificate))
        person = Person(portal.url)
        person.log_in("sanne@demolen.example", story.PASSWORD)
        person.get("/connections/")
        cookies = "; ".join(f"{it.name}={it.value}" for it in cookies_of(person))
        static = re.search(r'"(/static/[^"]+\.css)"', person.page)[1]
        logo = re.search(r'"(/[^"]*logo[^"]*)"', person.page)[1]

        pages = ["/connections/", "/api/docs/", "/nowhere/", static, logo]
        graded = scan(portal, cookies, *pages)
        graded |= scan(portal, "", "/accounts/login/")
        portal.http = cluster.free_port()
        graded |= scan(portal, "", "/api/v1/me")

    assert {page: (it["grade"], it["lost"]) for page, it in graded.items()} == {
        page: ("A+", []) for page in graded
    }
    statuses = [it["status"] for it in graded.values()]
    assert statuses == [200, 200, 404, 200, 200, 200, 401]
    assert min(it["score"] for it in graded.values()) >= 130


def scan(portal, cookies, *pages):
    done = subprocess.run(
        [
            *(shutil.which("node"), Path(settings.BASE_DIR, "scripts/observatory.mjs"), SCANNER),
            *(str(portal.http), str(portal.https), cookies, *pages),
        ],
        env=os.environ | {"NODE_EXTRA_CA_CERTS": str(portal.certificate)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)
