#!/usr/bin/env python
import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from portal.server_keys import ServerKeysError

    try:
        settings.INSTALLED_APPS  # noqa: B018 (loads them)
    except (ImproperlyConfigured, ServerKeysError) as error:
        sys.exit(f"Koppel does not start: {error}")
    try:
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
