from tests.partners.conftest import _database as _database
from tests.partners.conftest import asked as asked
from tests.partners.conftest import asker as asker
from tests.partners.conftest import boss as boss
from tests.partners.conftest import browser_of as browser_of
from tests.partners.conftest import member as member
