"""All records of a data folder, opened together."""

from __future__ import annotations

from pathlib import Path

from app.records.audit import Audit
from app.records.conversations import Conversations
from app.records.database import Database
from app.records.feedback import FeedbackLog
from app.records.grants import Grants
from app.records.insight import Insight
from app.records.jobs import Jobs
from app.records.keys import Keys
from app.records.people import People
from app.records.portals import Portals
from app.records.replies import Replies
from app.records.sessions import Sessions


class Records:
    """What the service remembers beside the articles.

    Raises:
        StoreError: The database cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path)
        self.conversations = Conversations(self._database)
        self.feedback = FeedbackLog(self._database)
        self.keys = Keys(self._database)
        self.grants = Grants(self._database)
        self.portals = Portals(self._database)
        self.sessions = Sessions(self._database)
        self.jobs = Jobs(self._database)
        self.audit = Audit(self._database)
        self.replies = Replies(self._database)
        self.insight = Insight(self._database)
        self.people = People(self._database)

    def close(self) -> None:
        """Close every connection."""
        self._database.close()
