"""The least that the web server can be asked for: the limit of everything that it serves."""

BODY = b'{"text": "hello"}'
HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))]


def application(environ, start_response):
    start_response("200 OK", HEADERS)
    return [BODY]
