from django.shortcuts import render

from accounts.access import public_page
from connections.errors import ERRORS
from connections.functions import FUNCTIONS


@public_page
def api_docs(request):
    context = {"functions": FUNCTIONS.values(), "errors": ERRORS.values()}
    return render(request, "connections/api_docs.html", context)
