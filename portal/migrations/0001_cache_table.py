from django.core.management import call_command
from django.db import migrations


def create(apps, schema_editor):
    """The table of the cache, without which nobody can sign in; also where CACHE_URL may once be taken back."""
    call_command(
        "createcachetable", "portal_cache", database=schema_editor.connection.alias, verbosity=0
    )


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
