"""Redis only counts: without it the counting goes on, and nobody notices."""

import subprocess
import time
from contextlib import closing, contextmanager, suppress
from shutil import which

import pytest
import redis
from django.core.cache import caches
from django.urls import reverse

from portal import shared_cache as cache
from tests.factories import connect
from tests.serving import free_port
from tests.software import Software

pytestmark = pytest.mark.skipif(not which("redis-server"), reason="there is no redis-server")


@contextmanager
def redis_server(port):
    command = ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            with closing(redis.Redis(port=port)) as client:
                for _ in range(100):
                    with suppress(redis.ConnectionError):
                        client.ping()
                        break
                    time.sleep(0.05)
            yield process
        finally:
            process.kill()


@pytest.fixture
def counted_in_redis(settings, monkeypatch):
    """The address of a Redis of this test's own, which both caches use."""
    monkeypatch.setattr(cache, "LEFT_ALONE", 0.2)
    cache.Memory("", {}).clear()
    port = free_port()
    in_redis = {
        "BACKEND": "portal.shared_cache.RedisOrMemory",
        "LOCATION": f"redis://127.0.0.1:{port}/0",
    }
    settings.CACHES = {"default": in_redis, "limits": in_redis}
    return port


def test_limits_are_counted_in_redis_and_in_memory_while_it_is_away(counted_in_redis):
    counter = caches["limits"]
    with redis_server(counted_in_redis):
        assert [counter.count(["key", "organisation"], 7), counter.count(["key"], 7)] == [
            [1, 1],
            [2],
        ]
        assert counter.count(["key"], 8) == [1]
        assert redis.Redis(port=counted_in_redis).get(":1:key:7") == b"2"

    assert counter.count(["key"], 7) == [1]

    time.sleep(0.3)
    with redis_server(counted_in_redis):
        assert counter.count(["key"], 9) == [1]
        assert redis.Redis(port=counted_in_redis).ttl(":1:key:9") > 60


@pytest.mark.django_db
def test_without_redis_people_sign_in_and_calls_are_answered_and_limits_hold(
    counted_in_redis, client, settings
):
    settings.CALLS_PER_MINUTE = 3
    connection, pair = connect()
    software = Software(pair, connection.organisation)

    assert [software.me().status_code for _ in range(4)] == [200, 200, 200, 429]
    tries = [
        client.post(reverse("account_login"), {"login": "a@b.example", "password": "wrong-again"})
        for _ in range(11)
    ]
    assert "Too many" in tries[-1].content.decode()
    assert "Too many" not in tries[0].content.decode()


def test_a_redis_that_is_silent_is_asked_once_not_with_every_page(counted_in_redis, monkeypatch):
    monkeypatch.setattr(cache, "LEFT_ALONE", 60)
    with redis_server(counted_in_redis) as process:
        caches["limits"].get("first")
        process.send_signal(19)  # SIGSTOP: it takes connections, and says nothing
        began = time.monotonic()
        for _ in range(20):
            caches["limits"].get("calls")
        process.send_signal(18)

    assert time.monotonic() - began < 3
