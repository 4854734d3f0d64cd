"""Sessions in the database, as Django's own store keeps them.

Every page of a person who is signed in reads one: the query is written here, for the ORM takes
longer to make it up anew each time than PostgreSQL to answer it.
"""

from __future__ import annotations

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.utils import timezone

_BY_KEY = """
SELECT session_key, session_data, expire_date FROM django_session
WHERE session_key = %s AND expire_date > %s
"""


class SessionStore(db.SessionStore):
    def _get_session_from_db(self) -> Session | None:
        for found in Session.objects.raw(_BY_KEY, [self.session_key, timezone.now()]):
            return found
        self._session_key = None
        return None
