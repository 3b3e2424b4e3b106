"""Running shards: where, and what an error becomes."""

import weakref
from dataclasses import replace

import pyarrow as pa
import pytest

from core.errors import GenotypeFileError, InfrastructureError, Where
from core.genotypes.source import GenotypeShard, plan_shards
from core.genotypes.vcf import open_cohort
from jobs.run_shards import Executor, choose_executor, run_shards
from tests.builders.vcf import Record, vcf_text, write_vcf


@pytest.fixture
def cohort(tmp_path):
    records = [Record("1", position, ["0/1", "1/1"]) for position in range(1, 200)]
    return open_cohort([write_vcf(tmp_path / "cohort.vcf", vcf_text(records))])


def test_threads_let_a_result_go_once_it_is_taken(cohort):
    held: list[weakref.ref[pa.Table]] = []
    for _, table, _ in run_shards(plan_shards(cohort, 100), index_of, Executor.INLINE):
        held.append(weakref.ref(table))
        del table
        assert sum(result() is not None for result in held) <= 1


def test_threads_start_no_task_while_as_many_tables_are_held(cohort, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    started: list[int] = []

    def work(shard: GenotypeShard) -> pa.Table:
        started.append(shard.index)
        return index_of(shard)

    shards = plan_shards(cohort, 500)
    for n_taken, _ in enumerate(run_shards(shards, work, Executor.INLINE), start=1):
        assert len(started) == n_taken
    assert started == [shard.index for shard in shards]


def index_of(shard: GenotypeShard) -> pa.Table:
    return pa.table({"index": [shard.index]})


def refuse(shard: GenotypeShard) -> pa.Table:
    raise GenotypeFileError("broken.", where=Where("a.vcf", line=shard.index), fix="Mend it.")


def blunder(shard: GenotypeShard) -> pa.Table:
    return pa.table({"index": shard.index})  # a mistake of ours: no list


def die(_shard: GenotypeShard) -> pa.Table:
    import os

    os._exit(1)


def test_a_small_local_run_stays_in_this_process(cohort, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert choose_executor(Executor.AUTO, cohort) is Executor.INLINE


def test_a_given_cluster_is_used_for_more_than_one_task(cohort, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert choose_executor(Executor.AUTO, cohort) is Executor.INLINE
    large = replace(cohort, files=(replace(cohort.files[0], size_bytes=1 << 26),))
    assert choose_executor(Executor.AUTO, large) is Executor.RAY
    assert choose_executor(Executor.INLINE, cohort) is Executor.INLINE


@pytest.mark.parametrize(
    "executor", [Executor.INLINE, pytest.param(Executor.RAY, marks=pytest.mark.ray)]
)
def test_every_shard_is_run_once_and_errors_keep_their_facts(executor, cohort, request):
    if executor is Executor.RAY:
        request.getfixturevalue("ray_session")
    shards = plan_shards(cohort, 500)
    assert len(shards) > 3
    found = {done.number: done.table for done in run_shards(shards, index_of, executor)}
    assert {index: table.column("index")[0].as_py() for index, table in found.items()} == {
        shard.index: shard.index for shard in shards
    }
    with pytest.raises(GenotypeFileError) as caught:
        list(run_shards(shards, refuse, executor))
    assert caught.value.where is not None
    assert caught.value.where.file == "a.vcf"
    assert caught.value.fix == "Mend it."
    with pytest.raises(TypeError):
        list(run_shards(shards, blunder, executor))
    assert list(run_shards([], index_of, executor)) == []


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_workers_that_always_die_are_an_infrastructure_error(cohort):
    with pytest.raises(InfrastructureError):
        list(run_shards(plan_shards(cohort, 1 << 20), die, Executor.RAY))
