"""kill -9 anywhere, with real processes: nothing is lost, and at most the shard that was running is done again."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from job_support import JobBench, process_exists

SHARDS = {"name": "s", "shards": 8, "pause": 0.12}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[JobBench]:
    bench = JobBench(tmp_path / "workspace")
    yield bench
    bench.close()


def child_of(worker: "subprocess.Popen[bytes]") -> int | None:
    """The process id of a worker's running child."""
    children = Path(f"/proc/{worker.pid}/task").glob("*/children")
    return next((int(pid) for path in children for pid in path.read_text().split()), None)


def begin_shards(bench: JobBench) -> str:
    """A sharded job that has begun its third shard."""
    id = bench.service.enqueue("shards", "p", SHARDS)
    bench.until(lambda: len(bench.lines("s/executions")) >= 3)
    return id


def check_shards(bench: JobBench, cuts: int) -> None:
    """Every shard is there, once, and each cut cost at most the shard that was running."""
    runs = Counter(map(int, bench.lines("s/executions")))
    assert sorted(runs) == list(range(8))
    assert sum(runs.values()) <= 8 + cuts
    files = sorted((bench.project.exports / "s").glob("*.shard"))
    assert [file.read_text() for file in files] == [f"shard {number}" for number in range(8)]


def test_a_killed_child_is_started_again_at_its_shard(bench):
    worker = bench.start()
    id = begin_shards(bench)
    child = child_of(worker)
    assert child is not None
    os.kill(child, signal.SIGKILL)
    job = bench.ended(id)
    assert (job.state, job.attempts, job.error) == ("done", 2, "")
    assert job.result is not None
    assert job.result["resumed"] >= 2
    check_shards(bench, cuts=1)
    assert worker.poll() is None, "the worker must live on"
    assert "Its process was killed by SIGKILL (often the system ran out of memory)." in bench.service.log(id)


def test_a_killed_worker_takes_its_child_along_and_its_next_life_goes_on(bench):
    worker = bench.start()
    id = begin_shards(bench)
    child = child_of(worker)
    assert child is not None
    bench.kill(worker)
    bench.until(lambda: not process_exists(child))
    left = bench.service.get(id)
    assert left.state == "running"
    assert left.problem, "a job whose worker is gone must say so"
    bench.start()
    job = bench.ended(id)
    assert (job.state, job.attempts) == ("done", 2)
    check_shards(bench, cuts=1)
    # And a second kill of a finished job's worker brings nothing back.
    assert bench.service.get(id).result == job.result


def test_another_worker_takes_over_from_a_dead_one(bench):
    first = bench.start(id="one", beat=0.3, lease=1.5)
    id = begin_shards(bench)
    waiting = bench.service.enqueue("echo", "p", {})
    second = bench.start(id="two", beat=0.3, lease=1.5)
    bench.kill(first)
    job = bench.ended(id)
    assert (job.state, job.worker, job.attempts) == ("done", "two", 2)
    check_shards(bench, cuts=1)
    assert bench.ended(waiting).state == "done"
    assert second.poll() is None


def test_a_worker_that_was_only_paused_does_not_disturb_its_successor(bench):
    """The false death: the paused worker's job was taken over; what wakes up finds that it is no longer its own."""
    first = bench.start(id="one", beat=0.3, lease=1.5)
    id = begin_shards(bench)
    child = child_of(first)
    assert child is not None
    for pid in (first.pid, child):
        os.kill(pid, signal.SIGSTOP)
    second = bench.start(id="two", beat=0.3, lease=1.5)
    bench.until(lambda: bench.service.get(id).attempts == 2)
    for pid in (first.pid, child):
        os.kill(pid, signal.SIGCONT)
    job = bench.ended(id)
    assert (job.state, job.worker, job.attempts) == ("done", "two", 2)
    bench.until(lambda: not process_exists(child))
    runs = Counter(map(int, bench.lines("s/executions")))
    assert sorted(runs) == list(range(8))
    files = sorted((bench.project.exports / "s").glob("*.shard"))
    assert [file.read_text() for file in files] == [f"shard {number}" for number in range(8)]
    assert first.poll() is None, "the woken worker must be of use again"
    bench.kill(second)
    assert bench.ended(bench.service.enqueue("echo", "p", {})).worker == "one"


@pytest.mark.parametrize("signal_name", ["SIGKILL", "SIGSEGV"])
def test_a_job_that_keeps_killing_its_process_fails_after_three(bench, signal_name):
    worker = bench.start()
    id = bench.service.enqueue("dies", "p", {"signal_name": signal_name})
    after = bench.service.enqueue("echo", "p", {})
    job = bench.ended(id)
    assert job.state == "failed"
    assert job.error.startswith("The job's process died 3 times, so it was not started again.")
    assert signal_name in job.error
    assert "memory" in job.hint
    assert bench.lines("deaths") == [signal_name] * 3
    assert bench.ended(after).state == "done"
    assert worker.poll() is None


def test_a_job_whose_worker_dies_each_time_fails_after_three(bench):
    id = bench.service.enqueue("stuck", "p", {"seconds": 600})
    for death in range(1, 4):
        worker = bench.start()
        bench.until(lambda death=death: len(bench.lines("pids")) == death)
        bench.kill(worker)
    bench.start()
    job = bench.ended(id)
    assert (job.state, job.attempts) == ("failed", 3)
    assert job.error.startswith("The job's process died 3 times")
    assert len(bench.lines("pids")) == 3


def test_a_job_cancelled_while_its_worker_is_dead_stays_cancelled(bench):
    worker = bench.start()
    id = begin_shards(bench)
    bench.kill(worker)
    assert bench.service.cancel(id).state == "cancelled"
    bench.start()
    after = bench.service.enqueue("echo", "p", {})
    assert bench.ended(after).state == "done"
    job = bench.service.get(id)
    assert (job.state, job.attempts) == ("cancelled", 1)


def test_killing_the_program_that_queued_the_job_changes_nothing(bench):
    """The pages' process dies by kill -9 while its job runs: the worker it started and the job go on."""
    script = (
        "import sys, time, pathlib\n"
        "from workbench.jobs import JobService\n"
        f"service = JobService(pathlib.Path({str(bench.folder)!r}), kinds='job_kinds:KINDS')\n"
        "worker = service.start_worker('cpu', '--poll', '0.05')\n"
        f"print(worker.pid, service.enqueue('shards', 'p', {SHARDS!r}), flush=True)\n"
        "time.sleep(600)\n"
    )
    page = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert page.stdout is not None
    worker, id = page.stdout.readline().split()
    try:
        bench.until(lambda: len(bench.lines("s/executions")) >= 2)
        page.kill()
        page.wait()
        job = bench.ended(id)
        assert (job.state, job.attempts) == ("done", 1)
        check_shards(bench, cuts=0)
    finally:
        page.stdout.close()
        os.kill(int(worker), signal.SIGTERM)
        bench.until(lambda: not process_exists(int(worker)))


def test_a_worker_of_a_command_ends_with_it(bench):
    script = (
        "import pathlib\n"
        "from workbench.jobs import JobService\n"
        "from workbench.jobs.waiting import run_to_end\n"
        f"service = JobService(pathlib.Path({str(bench.folder)!r}), kinds='job_kinds:KINDS')\n"
        "run_to_end(service, 'stuck', 'p', {'seconds': 600})\n"
    )
    command = subprocess.Popen([sys.executable, "-c", script])
    bench.until(lambda: bench.lines("pids"))
    (worker,) = [worker for worker in bench.service.workers() if worker.alive]
    command.kill()
    command.wait()
    bench.until(lambda: not process_exists(worker.pid))
    pids = [int(pid) for pid in bench.lines("pids")[0].split()]
    bench.until(lambda: not any(map(process_exists, pids)))
    (job,) = bench.service.list()
    assert job.state == "queued", "the job waits for the next worker"
