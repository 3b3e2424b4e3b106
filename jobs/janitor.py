"""Finds stored objects that nobody needs, and removes them."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.records.session import Database
from core.storage.objects import ObjectStore, StoredEntry
from jobs.orphans import FOLDERS, Records, Standing, Upload, orphans

logger = logging.getLogger(__name__)

KEPT = timedelta(hours=24)
"""Younger objects are never removed: an upload may take as long, and its row comes after it."""


@dataclass(frozen=True, slots=True)
class Orphans:
    """What nobody needs: whole objects, and names of what was begun and never published."""

    objects: tuple[StoredEntry, ...]
    unfinished: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """Of the whole objects; what is unfinished does not tell."""
        return sum(entry.size_bytes for entry in self.objects)


def find_orphans(
    objects: ObjectStore, database: Database, *, older_than: timedelta = KEPT
) -> Orphans:
    """What is older than that and needed by nobody."""
    before = datetime.now(UTC) - older_than
    entries = [entry for folder in FOLDERS for entry in objects.entries(folder)]
    records = _read_records(database)  # after the listing: see orphans()
    return Orphans(
        objects=tuple(orphans(entries, records, before=before)),
        unfinished=tuple(objects.unfinished(before)),
    )


def remove(found: Orphans, objects: ObjectStore) -> None:
    for entry in found.objects:
        objects.delete(entry.key)
    for name in found.unfinished:
        objects.discard_unfinished(name)
    if found.objects or found.unfinished:
        logger.info(
            "removed %d objects (%d bytes) and %d unfinished uploads that nobody needs",
            len(found.objects),
            found.size_bytes,
            len(found.unfinished),
        )


def _read_records(database: Database) -> Records:
    with database.reading() as tx:
        return Records(
            uploads={data.folder: Upload.of(data) for data in tx.genomic_data.all()},
            results=frozenset(tx.prs_scores.all_result_urls()),
            jobs={
                job_id: Standing(state, attempt) for job_id, state, attempt in tx.jobs.standings()
            },
        )
