"""Store a cohort's genotypes, so that scores need not read its files again; or add samples to one.

`python -m jobs.store_cohort --genotypes chr21.vcf.gz chr22.vcf.gz --output cohort.cgstore`
What is in the files, their quality included, comes as JSON on standard output; tables of the
quality of samples and variants are in `quality/` of the store, until samples are added.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.errors import ConflictError, CuraGenieError, UserError
from core.genotypes.block import DosageBlock
from core.genotypes.formats import GENOTYPES, open_cohort
from core.genotypes.source import Cohort, GenotypeShard
from core.genotypes.store import open_store
from core.genotypes.store_append import append_samples, check_joins
from core.genotypes.store_manifest import MANIFEST, Manifest
from core.genotypes.store_writer import StoreTarget
from core.settings import Settings, load_settings
from core.storage.byte_ranges import S3Access
from core.storage.objects import ObjectsLocation
from jobs.output_folder import held
from jobs.run_shards import Executor
from jobs.shard_plan import plan_cut
from jobs.summarise_cohort import summarise_cohort


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns 0 when done, 2 when the request or the data is wrong, 1 when the
    machinery failed."""
    options = _parser().parse_args(arguments)
    try:
        settings = load_settings()
        with held(options.output):
            facts = _append(options, settings) if options.append else _store(options, settings)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except (CuraGenieError, OSError) as error:
        sys.stderr.write(f"failed: {error}\n")
        return 1
    sys.stdout.write(json.dumps(facts, indent=2) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m jobs.store_cohort",
        description="Write the genotype store of a cohort, or add samples to one.",
    )
    add = parser.add_argument
    add("--genotypes", nargs="+", required=True, metavar="URI", help=GENOTYPES)
    add("--output", required=True, type=Path, metavar="DIR", help="the store (NAME.cgstore)")
    add("--append", action="store_true", help="add the samples to the store; same sites only")
    executors = [executor.value for executor in Executor]
    add("--executor", choices=executors, default="auto", help="threads here, or Ray")
    return parser


def _store(options: argparse.Namespace, settings: Settings) -> dict[str, object]:
    if (options.output / MANIFEST).exists():
        raise ConflictError(
            f"{options.output} is a store already.",
            fix="Give another folder, or --append to add samples.",
        )
    return summarise_cohort(
        options.genotypes,
        executor=Executor(options.executor),
        on_progress=lambda _done, _total: None,
        shard_bytes=settings.shard_bytes,
        s3=settings.s3_access,
        store=_target(options.output),
    )


def _append(options: argparse.Namespace, settings: Settings) -> dict[str, object]:
    store = open_store(str(options.output))
    cohort = open_cohort(options.genotypes, s3=settings.s3_access)
    check_joins(store, cohort)
    blocks = _blocks(cohort, store.manifest, settings.shard_bytes, settings.s3_access)
    grown = append_samples(_target(options.output), store, cohort.samples, blocks)
    return {"n_samples": grown.n_samples, "n_samples_added": len(cohort.samples)}


def _blocks(
    cohort: Cohort[GenotypeShard], manifest: Manifest, shard_bytes: int | None, s3: S3Access | None
) -> Iterator[DosageBlock]:
    """Every block of the cohort, in order, read as the store's calls were."""
    for shard in plan_cut(cohort, shard_bytes, n_scores=0).shards:
        yield from shard.reader(
            field=manifest.genotype_field, half_call=manifest.half_call, wanted=None, s3=s3
        )


def _target(output: Path) -> StoreTarget:
    return StoreTarget(ObjectsLocation(root=output), "")


if __name__ == "__main__":
    sys.exit(main())
