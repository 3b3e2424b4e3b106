"""The dispatcher: leases queued jobs, runs each attempt in a Ray task, picks up the lost ones.

The job table is the truth and this actor only its reader: a wake-up makes it look at once, and
without one it looks every `poll_seconds`. After a restart it finds what was queued, and what was
running once the lease of the dead worker has expired.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import ray
from ray.exceptions import RayError

from core.errors import InfrastructureError
from core.job import Job, Queue, WorkerLostError
from core.records.session import open_database
from core.storage.objects import open_objects
from jobs.attempt import Bodies, JobEnvironment, end_attempt, hand_back, run_attempt
from jobs.catalogue import BODIES
from jobs.janitor import find_orphans, remove
from jobs.status import NAMESPACE, named_actor, publish_events
from jobs.submit import DISPATCHER_NAME, DispatcherPulse
from jobs.warm_up import load_usual

logger = logging.getLogger(__name__)


class Dispatcher:
    """An async actor; its blocking database work happens in threads."""

    async def __init__(
        self,
        environment: JobEnvironment,
        limits: Mapping[Queue, int],
        bodies: Bodies,
        poll_seconds: float,
        n_warm_workers: int,
    ) -> None:
        self._environment = environment
        self._limits = limits
        self._bodies = bodies
        self._poll_seconds = poll_seconds
        self._owner = f"dispatcher-{uuid4().hex}"
        self._database = open_database(environment.database_url)
        self._running: dict[Queue, set[asyncio.Task[None]]] = {queue: set() for queue in limits}
        self._woken = asyncio.Event()
        self._stopping = False
        self._looked_at = time.monotonic()
        # no CPU of its own: it waits for the shards, which need all of them
        self._run_attempt = ray.remote(run_attempt).options(num_cpus=0, max_retries=0)
        self._dispatching = asyncio.create_task(self._dispatch_forever())
        self._tidying = asyncio.create_task(self._tidy_forever())
        self._warming = asyncio.create_task(self._warm(n_warm_workers))

    async def wake(self) -> None:
        """There may be work; waiting for the answer is not needed."""
        self._woken.set()

    async def pulse(self) -> DispatcherPulse:
        """Whether jobs are being looked for: an actor that answers need not do its work."""
        return DispatcherPulse(self._stopping, time.monotonic() - self._looked_at)

    async def stop(self, seconds: float) -> None:
        """Leases nothing more, lets what runs go on for `seconds`, and gives back what is left."""
        self._stopping = True
        self._dispatching.cancel()
        self._tidying.cancel()
        await asyncio.wait([self._dispatching])
        under_way = [task for tasks in self._running.values() for task in tasks]
        if under_way:
            await asyncio.wait(under_way, timeout=seconds)
        await asyncio.to_thread(self._hand_back)

    async def _dispatch_forever(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self._dispatch()
                self._looked_at = time.monotonic()
            except InfrastructureError:
                logger.warning("cannot dispatch now", exc_info=True)
            except Exception:
                # one job that cannot be read must not stop every other one
                logger.exception("dispatching failed")
            try:
                await asyncio.wait_for(self._woken.wait(), self._poll_seconds)
            except TimeoutError:
                continue

    async def _tidy_forever(self) -> None:
        """Removes what killed processes left in the object store."""
        while True:
            await asyncio.sleep(self._environment.tidy_seconds)
            try:
                await asyncio.to_thread(self._tidy)
            except InfrastructureError:
                logger.warning("orphans are not removed now", exc_info=True)
            except Exception:
                logger.exception("removing orphans failed")

    def _tidy(self) -> None:
        objects = open_objects(self._environment.objects)
        remove(find_orphans(objects, self._database), objects)

    async def _warm(self, n_workers: int) -> None:
        """Have the processes that attempts will run in load their kernels, before anyone waits.

        Ray keeps idle workers of one kind for the next task of that kind, so these tasks are of the
        same kind as attempts: no CPU of their own, and side by side so that each has a process.
        """
        warming = ray.remote(_load_usual).options(num_cpus=0, max_retries=0)
        try:
            await asyncio.gather(*(warming.remote() for _ in range(n_workers)))
        except RayError:
            logger.warning("workers start cold", exc_info=True)

    async def _dispatch(self) -> None:
        await asyncio.to_thread(self._take_back_expired)
        for queue, limit in self._limits.items():
            while len(self._running[queue]) < limit:
                job = await asyncio.to_thread(self._lease, queue)
                if job is None:
                    break
                self._start(job)

    def _lease(self, queue: Queue) -> Job | None:
        with self._database.transaction() as tx:
            job = tx.jobs.lease(queue, owner=self._owner, seconds=self._environment.lease_seconds)
        publish_events(tx.recorded)
        return job

    def _hand_back(self) -> None:
        with self._database.reading() as tx:
            under_way = tx.jobs.under_way(self._owner)
        for job in under_way:
            try:
                hand_back(job, self._environment, self._bodies[job.kind], self._database)
            except Exception:
                # its lease expires; the others need not wait for that
                logger.exception("job %d cannot be given back", job.id)

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(self._supervise(job))
        self._running[job.queue].add(task)
        task.add_done_callback(lambda done: self._ended(job, done))

    def _ended(self, job: Job, task: "asyncio.Task[None]") -> None:
        self._running[job.queue].discard(task)
        self._woken.set()
        if (error := task.exception()) is not None:
            # the lease expires, and _take_back_expired settles the job then
            logger.error("job %d is left to its lease", job.id, exc_info=error)

    async def _supervise(self, job: Job) -> None:
        """The attempt settles itself; this is for those whose process cannot."""
        body = self._bodies[job.kind]
        try:
            await self._run_attempt.remote(job, self._environment, body)
        except RayError as error:
            await asyncio.to_thread(
                end_attempt, job, error, self._environment, body, self._database
            )

    def _take_back_expired(self) -> None:
        with self._database.reading() as tx:
            expired = tx.jobs.expired()
        for job in expired:
            lost = WorkerLostError(
                "The worker of this job was lost.", fix="The job is tried again by itself."
            )
            body = self._bodies[job.kind]
            try:
                end_attempt(job, lost, self._environment, body, self._database)
            except Exception:
                # one job that cannot be ended must not stop every other one
                logger.exception("job %d cannot be taken back", job.id)


def _load_usual() -> None:
    """Defined here, so that a worker imports what an attempt imports before it loads kernels."""
    load_usual()


def start_dispatcher(
    environment: JobEnvironment,
    limits: Mapping[Queue, int],
    *,
    poll_seconds: float = 1.0,
    bodies: Bodies = BODIES,
    n_warm_workers: int = 0,
) -> Any:
    """A handle of the cluster's one dispatcher, made where it does not exist yet.

    It starts with `n_warm_workers` processes in which the first attempts need not load anything.
    """
    return (
        ray.remote(Dispatcher)
        .options(
            name=DISPATCHER_NAME,
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            num_cpus=0,
            max_restarts=-1,
        )
        .remote(environment, limits, bodies, poll_seconds, n_warm_workers)
    )


def stop_dispatcher(seconds: float) -> None:
    """Stops the cluster's dispatcher once what runs has ended or `seconds` have passed; jobs that
    have not ended are in their queues then, for the next one."""
    try:
        ray.get(named_actor(DISPATCHER_NAME).stop.remote(seconds), timeout=seconds + _GIVE_BACK)
    except (ValueError, RayError):
        logger.warning("jobs under way are left to their leases", exc_info=True)


_GIVE_BACK = 10.0
"""Seconds that giving jobs back may take."""
