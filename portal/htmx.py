"""How pages meet htmx."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

REDIRECTS = {301, 302, 303, 307, 308}


def render_part(request, page, part, context, *, status=200):
    """Render the part alone for htmx, else (and when the browser restores history) the whole page."""
    alone = request.htmx and not request.htmx.history_restore_request
    response = render(request, part if alone else page, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def redirects_move_the_browser(get_response):
    """Turn a redirect answered to htmx into one of the browser, or the login page lands inside a table."""

    def middleware(request):
        response = get_response(request)
        if request.htmx and response.status_code in REDIRECTS:
            moved = HttpResponse(status=204, headers={"HX-Redirect": response.headers["Location"]})
            moved.cookies = response.cookies
            return moved
        return response

    return middleware
