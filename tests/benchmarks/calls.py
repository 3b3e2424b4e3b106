"""What a worker repeats: our scoring, the loop that a cyvcf2 user writes, and the dense product."""

import json
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

Call = Callable[[], object]


def scoring_call(*, arguments: list[str], ray_cpus: int | None, holds_scoring_files: bool) -> Call:
    """`jobs.score_cohort` with these arguments. `ray_cpus`: logical CPUs of the Ray that it starts;
    `holds_scoring_files` reads the scoring files once for all runs."""
    from jobs import local_ray, score_cohort, scoring_inputs

    if ray_cpus is not None:
        local_ray.start_local_ray = partial(local_ray.start_local_ray, num_cpus=ray_cpus)
    if holds_scoring_files:
        scoring_inputs.usable_scoring_files = cache(scoring_inputs.usable_scoring_files)

    def score() -> None:
        if score_cohort.main(arguments) != 0:
            raise RuntimeError("score_cohort failed; see above")

    return score


def fastq_call(*, reads: str, output: str) -> Call:
    """`summarise_reads` in threads of this process; its facts go to `output` as JSON."""
    from jobs.run_shards import Executor
    from jobs.summarise_reads import summarise_reads

    def summarise() -> None:
        facts = summarise_reads(
            reads,
            executor=Executor.INLINE,
            on_progress=lambda _done, _total: None,
            shard_bytes=None,
        )
        Path(output).write_text(json.dumps(facts))

    return summarise


def cyvcf2_call(*, vcf: str, score: str, output: str, field: str) -> Call:
    """Σ weight × dosage of the effect allele over a VCF, one score; missing calls count as the mean
    of the called. `score` is in plink2's notation; the sums go to `output` as JSON."""

    def loop() -> None:
        import cyvcf2

        weights = _read_weights(score)
        reader = cyvcf2.VCF(vcf, gts012=True)
        sums = np.zeros(len(reader.samples))
        for variant in reader:
            if (row := weights.get(variant.ID)) is not None:
                effect, weight = row
                dosage = _alt_dosage(variant, field)
                sums += weight * (dosage if effect == variant.ALT[0] else 2 - dosage)
        Path(output).write_text(json.dumps(dict(zip(reader.samples, sums.tolist(), strict=True))))

    return loop


def _alt_dosage(variant: Any, field: str) -> Any:
    if field == "DS":
        return variant.format("DS")[:, 0].astype(np.float64)
    dosage = variant.gt_types.astype(np.float64)
    is_missing = dosage == 3
    dosage[is_missing] = dosage[~is_missing].mean() if not is_missing.all() else 0.0
    return dosage


def _read_weights(path: str) -> dict[str, tuple[str, float]]:
    with Path(path).open() as lines:
        next(lines)
        rows = (line.split() for line in lines)
        return {name: (effect, float(weight)) for name, effect, weight, *_ in rows}


def sgemm_call(*, n_samples: int, n_variants: int, n_scores: int) -> Call:
    """The dense float32 product that scores would be, on matrices that are there already."""
    rng = np.random.default_rng(1)
    dosage = rng.integers(0, 3, (n_samples, n_variants)).astype(np.float32)
    weights = rng.standard_normal((n_variants, n_scores), np.float32)
    return lambda: dosage @ weights
