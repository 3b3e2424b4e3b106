"""Which stored objects nobody needs: a rule over keys and records that touches neither.

Whoever stores an object writes the row that names it right after, and attempts clean up behind
themselves; what is left is of processes that were killed in between, or of a store that did not
answer then. Nothing is an orphan that is young, that a row names, or whose job may still want it;
what is not of a shape that we know is none of ours.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from core.job import JobState
from core.records.records import GenomicData
from core.storage.objects import StoredEntry

UPLOADS, RESULTS, COHORTS, CHECKPOINTS = "genomic_data", "prs_scores", "cohorts", "checkpoints"
FOLDERS = (UPLOADS, RESULTS, COHORTS, CHECKPOINTS)

_JOB = re.compile(r"[a-z_]+/job-(?P<job>\d+)/.+", flags=re.ASCII)
_ATTEMPT = re.compile(
    r"(?P<place>[a-z_]+/job-(?P<job>\d+)/attempt-(?P<attempt>\d+))/.+", flags=re.ASCII
)
_UPLOAD = re.compile(r"(?P<folder>genomic_data/[^/]+)/(?P<rest>.+)", flags=re.ASCII)
_PAIR = re.compile(r"pair-(?P<job>\d+)-\d+/.+", flags=re.ASCII)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a job stands: its state, and its last attempt."""

    state: JobState
    attempt: int


@dataclass(frozen=True, slots=True)
class Upload:
    """What the row of an upload names: its file, and the folders of what was made from it."""

    file: str
    folders: tuple[str, ...]
    job_id: int | None

    @classmethod
    def of(cls, data: GenomicData) -> "Upload":
        made = (data.store_url, data.read_quality_url, data.pair_quality_url)
        return cls(data.file_url, tuple(url for url in made if url is not None), data.job_id)

    def names(self, key: str) -> bool:
        return key == self.file or key.startswith(tuple(f"{folder}/" for folder in self.folders))


@dataclass(frozen=True, slots=True)
class Records:
    """What the database knows of stored objects: uploads by their folders, the places of results,
    jobs by id."""

    uploads: Mapping[str, Upload]
    results: frozenset[str]
    jobs: Mapping[int, Standing]

    def has_ended(self, job_id: int) -> bool:
        """Whether none of its attempts is under way, or will be by itself."""
        return job_id not in self.jobs or self.jobs[job_id].state.is_terminal

    def may_go_on(self, job_id: int) -> bool:
        return job_id in self.jobs and self.jobs[job_id].state.may_go_on


def orphans(
    entries: Iterable[StoredEntry], records: Records, *, before: datetime
) -> list[StoredEntry]:
    """Those of `entries` that nobody needs, and that were last written before that time.

    `records` must have been read after the entries were listed: a row comes after its object.
    """
    return [
        entry for entry in entries if entry.modified_at < before and _is_orphan(entry.key, records)
    ]


def _is_orphan(key: str, records: Records) -> bool:
    rule = _RULES.get(key.partition("/")[0])
    return rule is not None and rule(key, records)


def _is_orphan_of_upload(key: str, records: Records) -> bool:
    """Of an upload without a row everything; of others, what ended jobs left beside what the row
    names: one that may go on goes on in the folders of its earlier attempts."""
    found = _UPLOAD.fullmatch(key)
    if found is None:
        return False
    upload = records.uploads.get(found["folder"])
    if upload is None:
        return True
    pair = _PAIR.fullmatch(found["rest"])
    writer = int(pair["job"]) if pair is not None else upload.job_id
    return not upload.names(key) and (writer is None or not records.may_go_on(writer))


def _is_orphan_of_results(key: str, records: Records) -> bool:
    found = _ATTEMPT.fullmatch(key)
    if found is None:
        return False
    return found["place"] not in records.results and records.has_ended(int(found["job"]))


def _is_orphan_of_cohort(key: str, records: Records) -> bool:
    """The results of a cohort are those of its completed attempt, which no other row names."""
    found = _ATTEMPT.fullmatch(key)
    if found is None:
        return False
    completed = Standing(JobState.COMPLETE, int(found["attempt"]))
    job_id = int(found["job"])
    return records.has_ended(job_id) and records.jobs.get(job_id) != completed


def _is_orphan_of_checkpoints(key: str, records: Records) -> bool:
    found = _JOB.fullmatch(key)
    return found is not None and not records.may_go_on(int(found["job"]))


_RULES: Mapping[str, Callable[[str, Records], bool]] = {
    UPLOADS: _is_orphan_of_upload,
    RESULTS: _is_orphan_of_results,
    COHORTS: _is_orphan_of_cohort,
    CHECKPOINTS: _is_orphan_of_checkpoints,
}
