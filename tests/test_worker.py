"""A real worker with real child processes: progress, cancel, retry, logs, bad jobs, and many of them."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from job_support import PATIENCE, JobBench, process_exists

from workbench.errors import WorkbenchError
from workbench.jobs import Job
from workbench.jobs.waiting import run_to_end
from workbench.jobs.workers import lock_worker


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobBench]:
    bench = JobBench(tmp_path_factory.mktemp("workspace"))
    bench.start()
    yield bench
    bench.close()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[JobBench]:
    """A workspace of its own, without a worker yet."""
    bench = JobBench(tmp_path / "workspace")
    yield bench
    bench.close()


def test_progress_rate_and_result(bench):
    seen: list[Job] = []
    id = bench.service.enqueue("count", "p", {"steps": 15, "pause": 0.1}, title="Counting")
    job = bench.service.wait(id, seen.append, poll=0.05)
    assert (job.state, job.result, job.done, job.total) == ("done", {"steps": 15}, 15, 15)
    assert (job.error, job.problem, job.attempts, job.title) == ("", "", 1, "Counting")
    assert job.created_at <= job.started_at <= job.finished_at
    shown = [each for each in seen if each.state == "running" and each.eta_seconds is not None]
    assert shown, "no progress was seen on the way"
    for each in shown:
        assert each.rate <= 10, "a step takes at least 0.1 s"
        assert each.eta_seconds == pytest.approx((15 - each.done) / each.rate)
    assert [each.done for each in shown] == sorted({each.done for each in shown})


def test_a_step_that_never_reports_is_killed_with_what_it_started(bench):
    before = len(bench.lines("pids"))
    id = bench.service.enqueue("stuck", "p", {"seconds": 600})
    bench.until(lambda: len(bench.lines("pids")) > before)
    pids = [int(pid) for pid in bench.lines("pids")[-1].split()]
    assert all(map(process_exists, pids))
    asked = bench.service.cancel(id)
    assert (asked.state, asked.message) in {("running", "Cancelling."), ("cancelled", "")}
    job = bench.ended(id)
    assert (job.state, job.error, job.result) == ("cancelled", "", None)
    bench.until(lambda: not any(map(process_exists, pids)))
    after = bench.service.enqueue("echo", "p", {})
    assert bench.ended(after).state == "done", "the slot must be free"


def test_a_job_that_reports_stops_by_itself(bench):
    id = bench.service.enqueue("count", "p", {"steps": 100_000, "pause": 0.01})
    bench.until(lambda: bench.service.get(id).done)
    bench.service.cancel(id)
    job = bench.ended(id)
    assert (job.state, job.total, job.eta_seconds) == ("cancelled", 100_000, None)
    bench.until(lambda: "Stopped as asked." in bench.service.log(id))


def test_a_cancelled_job_continues_on_retry(bench):
    id = bench.begin_shards()
    bench.service.cancel(id)
    assert bench.ended(id).state == "cancelled"
    bench.open_gate()
    bench.service.retry(id)
    job = bench.ended(id)
    assert (job.state, job.result, job.attempts) == ("done", {"shards": 8, "resumed": 2}, 2)
    bench.check_shards(cuts=1)


def test_an_unexpected_error_is_a_sentence_and_the_log_has_the_rest(bench):
    id = bench.service.enqueue("breaks", "p", {"until": "mended"})
    job = bench.ended(id)
    assert job.state == "failed"
    assert job.error == f"The job stopped on an unexpected ValueError (reference {id}.1)."
    assert job.hint == "Its log has the details."
    log = bench.service.log(id)
    assert "a detail for the log" in log
    assert "Traceback" in log
    assert f"{id}.1" in log
    assert (bench.folder / "p" / "logs" / f"{id}.log").is_file()
    (bench.project.exports / "mended").touch()
    bench.service.retry(id)
    job = bench.ended(id)
    assert (job.state, job.error, job.hint, job.result, job.attempts) == ("done", "", "", {"until": "mended"}, 2)
    assert "printed by the job" in bench.service.log(id)


def test_an_error_of_ours_keeps_its_message_and_hint(bench):
    job = bench.ended(bench.service.enqueue("refuses", "p", {}))
    assert (job.state, job.error, job.hint) == ("failed", "The file has no text.", "Choose another column.")
    assert job.attempts == 1, "an error is not tried again by itself"


@pytest.mark.parametrize(
    ("kind", "project", "error"),
    [
        ("fly", "p", "There is no kind of job called “fly”."),
        ("echo", "q", "There is no project called “q”."),
        ("echo", "../p", "“../p” cannot be the name of a project."),
        ("'; DROP TABLE job; --", "p", "There is no kind of job called “'; DROP TABLE job; --”."),
    ],
)
def test_a_job_that_cannot_begin_fails_with_a_sentence(bench, kind, project, error):
    id = bench.service.enqueue(kind, project, {})
    job = bench.ended(id)
    assert (job.state, job.error) == ("failed", error)
    assert job.hint
    assert "Start 1 of job" in bench.service.log(id)


def test_a_process_that_leaves_without_a_word_fails_once(bench):
    id = bench.service.enqueue("leaves", "p", {})
    job = bench.ended(id)
    assert job.state == "failed"
    assert job.error == (
        f"The job stopped without a result (reference {id}.1). Its process ended with status 7 and left no result."
    )
    assert bench.lines("leaves") == ["once"]


def test_hostile_arguments_arrive_as_they_are(bench):
    arguments = {
        "quotes": "\"'`; DROP TABLE job; -- $(rm -rf /) \\ %s {0}",
        "controls": "\x00\x07\r\n\u2028\u202e",
        "lone": "file\udcff",
        "wide": "🜏 日本語 \U0010ffff",
        "<script>alert(1)</script>": ["../../etc/passwd", None, True, 1e300, -(2**53)],
        "long": "x" * 200_000,
    }
    id = bench.service.enqueue("echo", "p", arguments, title="<b>\udcff\x00</b>")
    job = bench.ended(id)
    assert job.state == "done", job.error
    assert job.result == {"project": "p", "arguments": arguments}
    assert job.arguments == arguments
    assert job.title == "<b>?\x00</b>"


def test_eight_jobs_run_once_each_in_order_of_priority(bench):
    blocker = bench.service.enqueue("count", "p", {"steps": 4, "pause": 0.2})
    bench.running(blocker)
    ids = {
        number: bench.service.enqueue("echo", "p", {"number": number}, priority=1 if number == 7 else 5)
        for number in range(8)
    }
    jobs = {number: bench.ended(id) for number, id in ids.items()}
    assert {job.state for job in jobs.values()} == {"done"}
    assert {job.attempts for job in jobs.values()} == {1}
    ran = [int(line) for line in bench.lines("echoes") if line]
    assert ran == [7, *range(7)]


def test_a_second_worker_of_a_device_is_refused(bench):
    (first,) = [worker for worker in bench.service.workers() if worker.alive]
    second = bench.service.start_worker("cpu")
    assert second.wait(PATIENCE) == 1
    said = (bench.folder / ".workbench" / "logs" / "worker-cpu.log").read_text()
    assert f"A worker {first.id} is already running (process {first.pid}). Stop it first" in said
    assert [worker.pid for worker in bench.service.workers() if worker.alive] == [first.pid]


def test_a_worker_without_its_arguments_says_how(bench):
    wrong = subprocess.run(
        [sys.executable, "-m", "workbench.jobs.worker"], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert wrong.returncode == 2
    assert "--workspace" in wrong.stderr
    device = ["--workspace", str(bench.folder), "--device", "toaster"]
    wrong = subprocess.run(
        [sys.executable, "-m", "workbench.jobs.worker", *device],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert wrong.returncode == 1
    assert wrong.stderr == "There is no device “toaster”. Use auto, cpu, mps, cuda or cuda:N.\n"


def test_the_lock_of_a_worker_is_exclusive(tmp_path):
    held = lock_worker(tmp_path, "host:cuda:1")
    with pytest.raises(WorkbenchError, match="already running"):
        lock_worker(tmp_path, "host:cuda:1")
    lock_worker(tmp_path, "host:cuda:0").close()
    held.close()
    lock_worker(tmp_path, "host:cuda:1").close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_worker_gives_its_job_back_and_goes_on_later(alone, number):
    worker = alone.start()
    id = alone.begin_shards()
    worker.send_signal(number)
    assert worker.wait(PATIENCE) == 0
    job = alone.service.get(id)
    assert (job.state, job.message) == ("queued", "Its worker was stopped.")
    assert job.problem == "No worker for this job: start one with `python -m workbench worker --device cpu`."
    alone.open_gate()
    alone.start()
    job = alone.ended(id)
    assert (job.state, job.attempts, job.problem) == ("done", 2, "")
    alone.check_shards(cuts=1)
    assert "The worker was stopped" in alone.service.log(id)


def test_jobs_for_any_device_wait_for_the_first_worker(alone):
    first, second = (alone.service.enqueue("echo", "p", {"number": number}) for number in (1, 2))
    waiting = alone.service.get(first)
    assert waiting.device == "auto"
    assert waiting.problem == "No worker for this job: start one with `python -m workbench worker --device auto`."
    fixed = alone.service.enqueue("echo", "p", {}, device="cuda")
    alone.service.cancel(second)
    alone.start()
    job = alone.ended(first)
    assert (job.state, job.device) == ("done", "cpu")
    placed = alone.ended(alone.service.enqueue("echo", "p", {"number": 3}))
    assert placed.device == "cpu"
    left = alone.service.get(fixed)
    assert left.state == "queued"
    assert left.problem == "No worker for this job: start one with `python -m workbench worker --device cuda`."
    assert alone.lines("echoes") == ["1", "3"]


def test_the_command_line_brings_its_own_worker(alone):
    result = run_to_end(alone.service, "count", "p", {"steps": 2, "pause": 0.01}, title="Counting")
    assert result == {"steps": 2}
    with pytest.raises(WorkbenchError) as caught:
        run_to_end(alone.service, "refuses", "p", {})
    assert (caught.value.message, caught.value.hint) == ("The file has no text.", "Choose another column.")
    assert not [worker for worker in alone.service.workers() if worker.alive]


def test_the_job_file_holds_no_pickle(bench):
    """Whoever can write to the file must not be able to run code in the worker."""
    import sqlite3

    with sqlite3.connect(bench.folder / ".workbench" / "jobs.db") as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        (inputs,) = [table for table in tables if table == "workflow_input"]
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({inputs})")]
        rows = [dict(zip(columns, row, strict=True)) for row in connection.execute(f"SELECT * FROM {inputs}")]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    assert rows
    for row in rows:
        assert set(json.loads(row["inputs"])) <= {"positionalArgs", "namedArgs"}
