from django.core.management import call_command
from django.db import migrations


def create(apps, schema_editor):
    """The table of the cache, without which nobody can sign in; nothing where CACHE_URL names another."""
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
