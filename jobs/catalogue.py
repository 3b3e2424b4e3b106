"""The kinds of jobs and what each does."""

from collections.abc import Mapping

from core.job import JobKind
from jobs import calculate_prs_score, process_genomic_file, summarise_read_pair
from jobs.attempt import JobBody

BODIES: Mapping[JobKind, JobBody] = {
    JobKind.PROCESS_GENOMIC_FILE: process_genomic_file.BODY,
    JobKind.SUMMARISE_READ_PAIR: summarise_read_pair.BODY,
    JobKind.CALCULATE_PRS_SCORE: calculate_prs_score.BODY,
}
