from django.contrib import admin

from accounts.mail.models import Mail
from portal.admin import ReadOnlyAdmin


@admin.register(Mail)
class MailAdmin(ReadOnlyAdmin):
    list_display = [
        "to",
        "subject",
        "created_at",
        "attempts",
        "sent_at",
        "given_up_at",
        "last_error",
    ]
    search_fields = ["to"]
    exclude = ["body", "html"]  # they can hold a link that opens an account
    show_full_result_count = False
