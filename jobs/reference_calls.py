"""Whether genotypes list calls without an ALT: looked at where a score lacks many of their sites.

Only a report needs to know, so a run that makes none does not look.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from core.errors import UserError
from core.genotypes.block import DosageBlock
from core.genotypes.calls import HalfCall
from core.genotypes.formats import open_cohort
from core.genotypes.reference_calls import ReferenceCalls, count_reference_calls
from core.scoring.coverage import MANY_ABSENT
from core.scoring.matching import Reason
from jobs.scoring_inputs import CohortScoring
from jobs.shard_plan import plan_cut


def look_for_reference_calls(
    request: CohortScoring, summary: Mapping[str, Any]
) -> ReferenceCalls | None:
    """In the genotypes of the run that `summary` tells of; None where no score asks for them.

    They change no number, so records that cannot be read, of which no score needed any, leave the
    question open: None.
    """
    if not any(map(_lacks_many_sites, summary["scores"].values())):
        return None
    try:
        return count_reference_calls(_blocks(request))
    except UserError:
        return None


def _lacks_many_sites(score: Mapping[str, Any]) -> bool:
    return score["reasons"].get(Reason.ABSENT_LOCUS, 0) >= MANY_ABSENT * score["n_rows"]


def _blocks(request: CohortScoring) -> Iterator[DosageBlock]:
    """All of them in order, read as they are asked for."""
    cohort = open_cohort(request.genotypes, s3=request.s3)
    for shard in plan_cut(cohort, request.shard_bytes, n_scores=0).shards:
        yield from shard.reader(
            field=request.genotype_field, half_call=HalfCall.MISSING, wanted=None, s3=request.s3
        )
