"""Requests to addresses that people name go to the public internet alone, whatever is typed or resolved."""

import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.exceptions import ValidationError

from portal import outgoing
from portal.outgoing import Answer, NotAnswered, is_public, place_of, post, validate_address
from tests.autopilot.package import Package, slowly

PUBLIC = "93.184.215.14"
NEVER_CALLED = [  # what is refused before any name is looked up
    "",
    "books.example.com",
    "//books.example.com/",
    "http://books.example.com/",
    "ftp://books.example.com/",
    "file:///etc/passwd",
    "gopher://books.example.com/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "unix:///var/run/docker.sock",
    "https://",
    "https:///path",
    "https://localhost/",
    "https://localhost./",
    "https://LOCALHOST:8443/",
    "https://intranet/",
    "https://127.0.0.1/",
    "https://127.0.0.1:8443/",
    "https://127.1/",
    "https://127.0.1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://2130706433/",
    "https://4294967295/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0x7f.0x0.0x0.0x1/",
    "https://0177.0.0.1/",
    "https://0177.0.0.01/",
    "https://00000177.1/",
    "https://017700000001/",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://192.168.1.1/",
    "https://127.0.0.1./",
    "https://8.8.8.8/",
    "https://[::1]/",
    "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:10.0.0.1]:8443/",
    "https://[fe80::1%25eth0]/",
    "https://[fd00::1]/",
    "https://[2002:7f00:1::]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2606:4700::1111]/",
    "https://[::1/",
    "https://[v1.x]/",
    "https://user@books.example.com/",
    "https://user:password@books.example.com/",
    "https://books.example.com@127.0.0.1/",
    "https://books.example.com:443@127.0.0.1/",
    "https://127.0.0.1#@books.example.com/",
    "https://books.example.com/#fragment",
    "https://books.example.com\\@127.0.0.1/",
    "https:\\\\127.0.0.1/",
    "https://127.0.0.1\\.books.example.com/",
    "https://①②⑦.⓪.⓪.①/",
    "https://１２７.０.０.１/",
    "https://127。0。0。1/",
    "https://lоcalhost.example.com/",  # a Cyrillic letter
    "https://books.example.com.\u200b/",
    "https://books.example.com/\r\nHost: localhost",
    "https://books.example.com/a b",
    " https://books.example.com/",
    "https://books.example.com/\0",
    "ht\ntps://books.example.com/",
    "https://books.\texample.com/",
    "https://%6c%6f%63alhost/",
    "https://127.0.0.1%2ebooks.example.com/",
    "https://books..example.com/",
    "https://.example.com/",
    "https://-books.example.com/",
    "https://books.example.com./",
    f"https://{'a' * 64}.example.com/",
    f"https://{'a.' * 150}example.com/",
    "https://books.example.com:0/",
    "https://books.example.com:22/",
    "https://books.example.com:25/",
    "https://books.example.com:80/",
    "https://books.example.com:65536/",
    "https://books.example.com:-1/",
    "https://books.example.com:٤٤٣/",
    "https://books.example.com:x/",
]
NOT_PUBLIC = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.254"),  # noqa: S104
    *("127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255"),
    *("192.0.0.1", "192.0.0.9", "192.0.0.170", "192.0.2.1", "192.88.99.1", "192.168.0.1"),
    *(
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
    ),
    *("240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8"),
    *("::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b:1::1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:10::1", "2001:20::1"),
    *("2001:db8::1", "2002:7f00:1::1", "2002:a00:1::1", "2002:808:808::1", "3ffe::1", "3fff::1"),
    *("5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"),
    *("ff0e::1", "2606:4700::1%eth0", "books.example.com", "", "1", "127.1"),
]
ARE_PUBLIC = [
    *("8.8.8.8", PUBLIC, "1.1.1.1", "223.255.255.254", "100.63.255.255", "172.32.0.1"),
    *("2606:4700::1111", "2001:4860:4860::8888", "2a00:1450:400e::1", "64:ff9b::8.8.8.8"),
]


def resolving(*addresses):
    """A resolver that answers these, and counts how often it was asked."""

    def resolve(host, port, **options):
        resolve.asked.append(host)
        kinds = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(kinds[":" in it], socket.SOCK_STREAM, 6, "", (it, port)) for it in addresses]

    resolve.asked = []
    return resolve


def why(url, **options):
    with pytest.raises(NotAnswered) as refused:
        post(url, b"{}", {}, **options)
    return refused.value.why


@pytest.mark.parametrize("url", NEVER_CALLED)
def test_what_is_no_address_on_the_internet_is_refused_before_a_name_is_looked_up(url):
    resolve = resolving(PUBLIC)

    with pytest.raises(ValidationError):
        validate_address(url)
    assert why(url, resolve=resolve) == NotAnswered.REFUSED_ADDRESS
    assert resolve.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "https://books.example.com",
        "https://books.example.com/invoices?tenant=4&x=%20",
        "https://BOOKS.example.com:443/",
        "https://books.example.com:8443/a/b",
        "https://xn--bcher-kva.example/",
        "https://a_b.books-1.example.com/",
        "https://127.0.0.1.example.com/",
    ],
)
def test_addresses_of_packages_are_accepted(url):
    validate_address(url)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_names_that_resolve_to_what_is_not_public_are_refused(address):
    assert not is_public(address)
    assert why("https://books.example.com/", resolve=resolving(address)) == "address"


@pytest.mark.parametrize("address", ARE_PUBLIC)
def test_public_addresses_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "addresses", [(PUBLIC, "10.0.0.1"), ("10.0.0.1", PUBLIC), (PUBLIC, PUBLIC, "::1")]
)
def test_one_private_address_among_public_ones_is_enough(addresses):
    assert why("https://books.example.com/", resolve=resolving(*addresses)) == "address"


def test_a_name_that_nobody_knows_is_told():
    def unknown(*args, **options):
        raise socket.gaierror

    assert why("https://books.example.com/", resolve=unknown) == "name"
    assert why("https://books.example.com/", resolve=resolving()) == "name"


def test_a_name_is_resolved_once_and_the_connection_goes_where_that_led(monkeypatch):
    """DNS rebinding: the second answer would be private, and is never asked for."""
    called = []

    def connect(self, address, port, *args, **kwargs):
        called.append((address, port))
        raise outgoing.httpcore.ConnectError

    monkeypatch.setattr(outgoing.httpcore.SyncBackend, "connect_tcp", connect)
    resolve = resolving(PUBLIC, "2606:4700::1111")

    assert why("https://books.example.com:8443/", resolve=resolve) == "unreachable"
    assert resolve.asked == ["books.example.com"]
    assert called == [(PUBLIC, 8443), ("2606:4700::1111", 8443)]


@pytest.fixture
def package(settings):
    with Package() as package:
        settings.AUTOPILOT_PRIVATE = [package.host]
        yield package


def test_hosts_that_the_operator_names_may_be_anywhere_but_no_other_port_of_them(package, settings):
    assert post(package.url, b"{}", {"x": "y"}) == Answer(200, "ok")
    assert place_of(package.url).is_allowed

    settings.AUTOPILOT_PRIVATE = ["127.0.0.1:1"]
    assert why(package.url) == "address"


def test_a_redirect_is_an_answer(package):
    with Package() as other:
        package.behave = lambda message: (307, {"location": other.url})

        assert post(package.url, b"{}", {}).status == 307
        assert other.got == []


def test_proxies_of_the_machine_are_not_used(package, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert post(package.url, b"{}", {}).is_good


def test_who_answers_too_late_is_left(package):
    package.behave = slowly(1)
    began = time.monotonic()

    assert why(package.url, seconds=0.2) == "slow"
    assert time.monotonic() - began < 0.8


@pytest.fixture
def raw(settings):
    """A server that says what it likes, byte by byte."""
    server = socket.create_server(("127.0.0.1", 0))
    host = f"127.0.0.1:{server.getsockname()[1]}"
    settings.AUTOPILOT_PRIVATE = [host]

    def start(parts, pause):
        def serve():
            connection, _address = server.accept()
            with connection:
                connection.recv(65536)
                try:
                    for part in parts:
                        connection.sendall(part)
                        time.sleep(pause)
                except OSError:
                    pass

        Thread(target=serve, daemon=True).start()
        return f"http://{host}/"

    yield start
    server.close()


def test_who_drips_headers_is_left_in_time(raw):
    url = raw([b"HTTP/1.1 200 OK\r\n", *[b"x: y\r\n"] * 100], 0.1)
    began = time.monotonic()

    assert why(url, seconds=0.5) == "slow"
    assert time.monotonic() - began < 1.5


def test_an_answer_without_end_is_read_to_a_few_kilobytes(raw):
    url = raw([b"HTTP/1.1 200 OK\r\n\r\n", *[b"a\0" * 10_000] * 1000], 0)

    answer = post(url, b"{}", {})

    assert (answer.status, len(answer.text)) == (200, outgoing.MOST_BYTES)
    assert "\0" not in answer.text


@pytest.mark.parametrize(
    "said", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 99999 X\r\n\r\n", b"HTTP/1.1 200 OK\r\n" * 9000]
)
def test_what_is_no_http_is_told(raw, said):
    assert why(raw([said], 0)) in ("strange", "unreachable")


def certified(folder, name):
    """A certificate and key for `name`, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certified.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


@pytest.mark.parametrize(
    ("called", "outcome"), [("books.example.com", None), ("other.example.com", "certificate")]
)
def test_the_certificate_must_be_that_of_the_name_though_the_address_is_pinned(
    settings, tmp_path, called, outcome
):
    file = certified(tmp_path, "books.example.com")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    asked = []
    serving.sni_callback = lambda connection, name, context: asked.append(name)
    trusting = ssl.create_default_context(cafile=file)
    with Package(tls=serving) as package:
        port = package.host.partition(":")[2]
        settings.AUTOPILOT_PRIVATE = [f"{called}:{port}"]
        url, options = f"https://{called}:{port}/", {"resolve": resolving("127.0.0.1")}
        if outcome:
            assert why(url, context=trusting, **options) == outcome
            assert package.got == []
        else:
            assert post(url, b"{}", {}, context=trusting, **options).is_good
            assert package.got[0][0]["Host"] == f"{called}:{port}"
            assert why(url, **options) == "certificate"  # nobody of this machine trusts it
        assert asked[0] == called
