"""kill -9 anywhere, with real processes: nothing is lost, and at most the shard that was running is done again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from job_support import JobBench, process_exists


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[JobBench]:
    bench = JobBench(tmp_path / "workspace")
    yield bench
    bench.close()


def child_of(worker: "subprocess.Popen[bytes]") -> int | None:
    """The process id of a worker's running child."""
    children = Path(f"/proc/{worker.pid}/task").glob("*/children")
    return next((int(pid) for path in children for pid in path.read_text().split()), None)


def test_a_killed_child_is_started_again_at_its_shard(bench):
    worker = bench.start()
    id = bench.begin_shards()
    child = child_of(worker)
    assert child is not None
    os.kill(child, signal.SIGKILL)
    bench.until(lambda: len(bench.lines("shards/executions")) == 4)
    message = bench.service.get(id).message
    assert message.endswith("Continuing with what was finished (start 2 of 3).")
    bench.open_gate()
    job = bench.ended(id)
    assert (job.state, job.attempts, job.error) == ("done", 2, "")
    assert job.result == {"shards": 8, "resumed": 2}
    bench.check_shards(cuts=1)
    assert worker.poll() is None, "the worker must live on"
    assert "Its process was killed by SIGKILL (often the system ran out of memory)." in bench.service.log(id)


def test_a_killed_worker_takes_its_child_along_and_its_next_life_goes_on(bench):
    worker = bench.start()
    id = bench.begin_shards()
    child = child_of(worker)
    assert child is not None
    bench.kill(worker)
    bench.until(lambda: not process_exists(child))
    left = bench.service.get(id)
    assert left.state == "running"
    assert left.problem, "a job whose worker is gone must say so"
    bench.open_gate()
    bench.start()
    job = bench.ended(id)
    assert (job.state, job.attempts) == ("done", 2)
    bench.check_shards(cuts=1)


def test_another_worker_takes_over_from_a_dead_one(bench):
    first = bench.start(id="one", beat=0.3, lease=1.5)
    id = bench.begin_shards()
    waiting = bench.service.enqueue("echo", "p", {})
    second = bench.start(id="two", beat=0.3, lease=1.5)
    bench.kill(first)
    bench.open_gate()
    job = bench.ended(id)
    assert (job.state, job.worker, job.attempts) == ("done", "two", 2)
    bench.check_shards(cuts=1)
    assert bench.ended(waiting).state == "done"
    assert second.poll() is None


def test_a_worker_that_was_only_paused_does_not_disturb_its_successor(bench):
    """The false death: the paused worker's job was taken over; what wakes up finds that it is no longer its own."""
    first = bench.start(id="one", beat=0.3, lease=1.5)
    id = bench.begin_shards()
    child = child_of(first)
    assert child is not None
    for pid in (first.pid, child):
        os.kill(pid, signal.SIGSTOP)
    second = bench.start(id="two", beat=0.3, lease=1.5)
    bench.until(lambda: len(bench.lines("shards/executions")) == 4)
    for pid in (first.pid, child):
        os.kill(pid, signal.SIGCONT)
    bench.until(lambda: not process_exists(child))
    assert bench.service.get(id).state == "running"
    bench.open_gate()
    job = bench.ended(id)
    assert (job.state, job.worker, job.attempts) == ("done", "two", 2)
    bench.check_shards(cuts=1)
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
    id = bench.begin_shards()
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
        "print(worker.pid, service.enqueue('shards', 'p', {'shards': 8, 'gate': 2}), flush=True)\n"
        "time.sleep(600)\n"
    )
    page = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert page.stdout is not None
    worker, id = page.stdout.readline().split()
    try:
        bench.until(lambda: len(bench.lines("shards/executions")) == 3)
        page.kill()
        page.wait()
        bench.open_gate()
        job = bench.ended(id)
        assert (job.state, job.attempts) == ("done", 1)
        bench.check_shards(cuts=0)
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
