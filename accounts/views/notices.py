"""The notices of the person: the bell, the list, and one of them."""

from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.access import personal_page
from portal.paging import page_of

NEWEST = 8


@personal_page
@require_safe
def notices(request):
    found = request.user.notices
    context = {
        "page": page_of(request, found.all(), by="-created_at"),
        "has_unread": found.unread().exists(),
    }
    return render(request, "accounts/notices.html", context)


@personal_page
@require_safe
def newest(request):
    """What the bell opens; without htmx the list."""
    return _menu(request) if request.htmx else redirect("accounts:notices")


@personal_page
@require_POST
def read(request):
    """Mark all as read."""
    request.user.notices.mark_as_read()
    return _menu(request) if request.htmx else redirect("accounts:notices")


@personal_page
@require_safe
def notice(request, pk):
    """One notice, which is read by that."""
    notice = get_object_or_404(request.user.notices, pk=pk)
    request.user.notices.filter(pk=pk).mark_as_read()
    return render(request, "accounts/notice.html", {"notice": notice})


def _menu(request):
    context = {"notices": request.user.notices.newest_first()[:NEWEST]}
    return render(request, "accounts/_newest_notices.html", context)
