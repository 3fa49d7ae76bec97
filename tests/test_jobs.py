"""The job service without workers: rows and their fences, progress, placing, errors as sentences, purge."""

import errno
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from workbench.errors import BadInput, Cancelled, NotFound, WorkbenchError
from workbench.jobs import JobService, WorkerInfo
from workbench.jobs.child import explain
from workbench.jobs.job import Job
from workbench.jobs.kinds import KINDS, TABLE, as_result, load_kind
from workbench.jobs.process import environment, how_it_ended
from workbench.jobs.progress import Reporter
from workbench.jobs.store import JobStore, log_path
from workbench.jobs.tables import open_engine
from workbench.jobs.waiting import progress_text
from workbench.jobs.workers import WorkerTable
from workbench.specs import EncodeSpec, ImportSpec, IndexSpec
from workbench.types import SkippedRow


@pytest.fixture
def service(tmp_path: Path) -> JobService:
    return JobService(tmp_path)


@pytest.fixture
def store(service: JobService) -> JobStore:
    return JobStore(service.workspace / ".workbench" / "jobs.db")


def join(store: JobStore, device: str, lease: float = 60.0) -> None:
    """A living worker of `device`: this process plays it."""
    WorkerTable(store.engine).join(f"here:{device}", device, lease)


# -- queueing and looking ---------------------------------------------------------------------------------------------


def test_a_new_job_waits_and_says_why(service):
    before = time.time()
    id = service.enqueue("import", "p", {"path": "x"}, title="Import x", device="cuda", priority=2)
    job = service.get(id)
    assert job == Job(
        id=id, kind="import", project="p", title="Import x", arguments={"path": "x"}, state="queued", device="cuda",
        priority=2, created_at=job.created_at, started_at=None, finished_at=None, done=0, total=0, rate=None,
        eta_seconds=None, message="", error="", hint="", result=None, attempts=0, worker="",
        problem="No worker for this job: start one with `python -m workbench worker --device cuda`.",
    )  # fmt: skip
    assert before <= job.created_at <= time.time()
    assert service.log(id) == ""
    assert not job.finished


def test_jobs_are_listed_newest_first_and_by_project(service):
    ids = [service.enqueue("import", project, {}) for project in ("a", "b", "a")]
    assert [job.id for job in service.list()] == ids[::-1]
    assert [job.id for job in service.list(project="a")] == [ids[2], ids[0]]
    assert [job.id for job in service.list(limit=1)] == [ids[2]]
    assert service.list(project="' OR 1=1 --") == []
    assert [job.title for job in service.list()] == ["import"] * 3


def test_unknown_ids_are_named(service):
    for call in (service.get, service.log, service.cancel, service.retry, service.wait):
        with pytest.raises(NotFound, match="There is no job “nothing”"):
            call("nothing")


@pytest.mark.parametrize("arguments", [{"path": Path("x")}, {"n": float("nan")}, {"f": print}])
def test_arguments_must_be_plain_json(service, arguments):
    with pytest.raises((TypeError, ValueError)):
        service.enqueue("import", "p", arguments)
    assert service.list() == []


@pytest.mark.parametrize("device", ["toaster", "cuda:x", "", "cpu; rm", "cuda:1\n"])
def test_a_wrong_device_is_refused(service, device):
    with pytest.raises(BadInput, match="There is no device"):
        service.enqueue("import", "p", {}, device=device)
    with pytest.raises(BadInput, match="There is no device"):
        service.start_worker(device)


@pytest.mark.parametrize(
    ("workers", "asked", "placed"),
    [
        ([], "auto", "auto"),
        (["cpu"], "auto", "cpu"),
        (["cuda", "cpu"], "auto", "cuda"),
        (["cpu", "cuda:1"], "auto", "cuda:1"),
        (["mps"], "auto", "mps"),
        (["cpu", "cuda"], "cpu", "cpu"),
        (["cuda:1"], "cuda", "cuda:1"),
        (["cpu", "cuda"], "cuda:1", "cuda"),
        (["cuda:0"], "cuda:1", "cuda:1"),
        (["cuda", "cuda:1"], "cuda", "cuda"),
        (["cpu"], "cuda", "cuda"),
    ],
)
def test_jobs_go_to_a_device_with_a_worker(service, store, workers, asked, placed):
    for device in workers:
        join(store, device)
    job = service.get(service.enqueue("import", "p", {}, device=asked))
    assert job.device == placed
    assert (job.problem == "") == (placed in workers)


def test_a_worker_lives_while_its_lease_and_its_process_do(store):
    now = time.time()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    while Path(f"/proc/{gone.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    values = {"id": "w", "device": "cpu", "started_at": now, "beat_at": now}
    here = socket.gethostname()
    assert WorkerInfo(**values, pid=os.getpid(), host=here, expires_at=now + 60).alive
    assert not WorkerInfo(**values, pid=os.getpid(), host=here, expires_at=now - 1).alive
    assert not WorkerInfo(**values, pid=gone.pid, host=here, expires_at=now + 60).alive, "a zombie does no work"
    gone.wait()
    assert not WorkerInfo(**values, pid=gone.pid, host=here, expires_at=now + 60).alive
    assert WorkerInfo(**values, pid=gone.pid, host="elsewhere", expires_at=now + 60).alive


# -- a job's life, step by step ---------------------------------------------------------------------------------------


def test_an_attempt_reports_and_finishes(service, store):
    id = service.enqueue("import", "p", {"a": 1})
    claim = store.begin(id, 1, "w")
    assert claim is not None
    assert (claim.id, claim.attempt, claim.kind, claim.arguments) == (id, 1, "import", {"a": 1})
    assert store.report(id, 1, 3, 10, 1.5, 4.0)
    job = service.get(id)
    assert (job.state, job.done, job.total, job.rate, job.eta_seconds) == ("running", 3, 10, 1.5, 4.0)
    assert store.standing(id, 1) == "go"
    assert store.finish(id, 1, "done", result={"n": np.int64(7), "path": Path("a/b")}, done=10, total=10)
    job = service.get(id)
    assert (job.state, job.result, job.done, job.eta_seconds) == ("done", {"n": 7, "path": "a/b"}, 10, None)
    assert store.standing(id, 1) == "gone"
    assert not store.report(id, 1, 4, 10, None, None)
    assert not store.finish(id, 1, "failed", error="late")
    assert store.begin(id, 1, "w") is None
    assert service.get(id).state == "done"


def test_an_older_attempt_is_refused(service, store):
    id = service.enqueue("import", "p", {})
    assert store.begin(id, 1, "one")
    assert store.release("one") == [id]
    assert service.get(id).state == "queued"
    taken = store.begin(id, 1, "two")
    assert taken is not None
    assert taken.attempt == 2
    assert store.standing(id, 1) == "gone"
    assert not store.report(id, 1, 1, 2, None, None)
    assert not store.finish(id, 1, "done", result={})
    assert not store.hand_back(id, 1)
    assert store.report(id, 2, 1, 2, None, None)
    assert service.get(id).worker == "two"


def test_the_third_death_is_the_last(service, store):
    id = service.enqueue("import", "p", {})
    for attempt in (1, 2, 3):
        claim = store.begin(id, 1, "w", "It was killed.")
        assert claim is not None
        assert claim.attempt == attempt
        message = f"It was killed. Continuing with what was finished (start {attempt} of 3)."
        assert service.get(id).message == ("" if attempt == 1 else message)
    assert store.begin(id, 1, "w", "It was killed.") is None
    job = service.get(id)
    assert (job.state, job.attempts) == ("failed", 3)
    assert job.error == "The job's process died 3 times, so it was not started again. It was killed."
    assert service.retry(id).state == "queued"
    assert store.begin(id, 1, "w") is None, "the entry of before the retry is void"
    fresh = store.begin(id, 2, "w")
    assert fresh is not None
    assert fresh.attempt == 4


def test_a_handed_back_job_is_no_death(service, store):
    id = service.enqueue("import", "p", {})
    for attempt in range(1, 6):
        assert store.begin(id, 1, "w")
        assert store.hand_back(id, attempt)
        assert service.get(id).state == "queued"
    assert store.begin(id, 1, "w")


def test_cancel(service, store):
    join(store, "cpu")
    waiting = service.enqueue("import", "p", {}, device="cpu")
    assert service.cancel(waiting).state == "cancelled"
    assert store.begin(waiting, 1, "here:cpu") is None
    running = service.enqueue("import", "p", {}, device="cpu")
    assert store.begin(running, 1, "here:cpu")
    asked = service.cancel(running)
    assert (asked.state, asked.message) == ("running", "Cancelling.")
    assert store.standing(running, 1) == "cancel"
    assert not store.report(running, 1, 1, 2, None, None)
    assert store.finish(running, 1, "cancelled")
    assert service.cancel(running).state == "cancelled", "a finished job stays as it is"
    orphan = service.enqueue("import", "p", {}, device="cpu")
    assert store.begin(orphan, 1, "dead:cpu")
    assert service.cancel(orphan).state == "cancelled", "nobody is there to stop it"


def test_a_cancel_is_not_forgotten_when_the_worker_dies(service, store):
    join(store, "cpu")
    id = service.enqueue("import", "p", {}, device="cpu")
    assert store.begin(id, 1, "here:cpu")
    assert service.cancel(id).state == "running"
    store.release("here:cpu")
    assert store.begin(id, 1, "here:cpu") is None
    assert service.get(id).state == "cancelled"


def test_only_failed_and_cancelled_jobs_are_retried(service, store):
    id = service.enqueue("import", "p", {}, title="Import x")
    with pytest.raises(BadInput, match="The job “Import x” is queued"):
        service.retry(id)
    store.begin(id, 1, "w")
    with pytest.raises(BadInput, match="is running"):
        service.retry(id)
    store.finish(id, 1, "failed", error="no", hint="mend")
    again = service.retry(id)
    assert (again.state, again.error, again.hint, again.finished_at, again.done) == ("queued", "", "", None, 0)
    store.begin(id, 2, "w")
    store.finish(id, 2, "done", result={})
    with pytest.raises(BadInput, match="is done"):
        service.retry(id)


def test_dead_workers_are_taken_over_by_one(store):
    table = WorkerTable(store.engine)
    join(store, "cpu", lease=-1.0)
    join(store, "cuda")
    assert table.claim_dead("here:cuda", lease=60) == ["here:cpu"]
    assert table.claim_dead("third", lease=60) == [], "one taker at a time"
    assert table.claim_dead("third", lease=-1.0) == ["here:cpu"], "offered again after a while"
    table.beat("here:cpu", lease=60)
    assert table.claim_dead("third", lease=0.0) == []
    table.leave("here:cpu")
    assert table.claim_dead("third", lease=0.0) == ["here:cpu"]


def test_a_job_that_the_queue_lost_fails_unless_it_moved_on(service, store):
    id = service.enqueue("import", "p", {})
    assert not store.fail_lost(id, 2, "lost")
    assert store.fail_lost(id, 1, "The queue lost this job.")
    assert (service.get(id).state, service.get(id).error) == ("failed", "The queue lost this job.")
    assert not store.fail_lost(id, 1, "again")


def test_purge_removes_old_finished_jobs_with_all_that_was_kept(service, store):
    old, young, open_job = (service.enqueue("import", "p", {}) for _ in range(3))
    for id in (old, young):
        store.begin(id, 1, "w")
        store.finish(id, 1, "failed", error="no")
    service.retry(old)
    store.begin(old, 2, "w")
    store.finish(old, 2, "done", result={})
    logs = {id: service.workspace / store.row(id).log for id in (old, young)}
    for log in logs.values():
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("words")
    file = service.workspace / ".workbench" / "jobs.db"
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE job SET finished_at = finished_at - 10 * 86400 WHERE id = ?", (old,))
    connection.close()
    assert service.purge(days=7) == 1
    assert {job.id for job in service.list()} == {young, open_job}
    assert not logs[old].exists()
    assert service.log(young) == "words"
    with sqlite3.connect(file) as connection:
        entries = {id for (id,) in connection.execute("SELECT workflow_uuid FROM workflow_status")}
    connection.close()
    assert entries == {f"{young}.1", f"{open_job}.1"}
    assert service.purge(days=7) == 0


def test_a_newer_jobs_file_is_refused(tmp_path):
    path = tmp_path / "jobs.db"
    open_engine(path).dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(WorkbenchError, match="newer version"):
        open_engine(path)


def test_the_log_lies_in_the_project_and_never_outside(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "project.db").touch()
    database = str(tmp_path / ".workbench" / "jobs.db")
    assert log_path("p", "id", database) == "p/logs/id.log"
    for project in ("q", "../p", "p/../p", "", ".", "..", "/etc"):
        assert log_path(project, "id", database) == ".workbench/logs/id.log"


# -- progress ---------------------------------------------------------------------------------------------------------


def reporting(answer: bool = True) -> tuple[list[float], list[tuple[int, int, float | None, float | None]], Reporter]:
    """A clock that the test sets, what was written, and the reporter."""
    clock, written = [0.0], []

    def write(*values: int | float | None) -> bool:
        written.append(values)
        return answer

    return clock, written, Reporter(write, lambda: clock[0])


def test_progress_is_written_at_most_twice_a_second():
    clock, written, report = reporting()
    for step in range(1001):
        clock[0] = step / 100
        report(step, 1000)
    assert [done for done, *_ in written] == [50 * k for k in range(21)]
    assert written[0] == (0, 1000, None, None)
    assert written[-1] == (1000, 1000, pytest.approx(100.0), pytest.approx(0.0))
    assert written[4] == (200, 1000, pytest.approx(100.0), pytest.approx(8.0))
    assert (report.done, report.total) == (1000, 1000)


def test_what_was_resumed_does_not_count_for_the_speed():
    clock, written, report = reporting()
    report(5000, 10_000)
    clock[0] = 10.0
    report(5100, 10_000)
    assert written[-1] == (5100, 10_000, pytest.approx(10.0), pytest.approx(490.0))


def test_the_speed_is_that_of_the_last_half_minute():
    clock, written, report = reporting()
    done = 0
    for second in range(200):
        clock[0] = float(second)
        report(done, 100_000)
        done += 100 if second < 100 else 10
    assert written[-1][2] == pytest.approx(10.0)


def test_another_stage_begins_anew():
    clock, written, report = reporting()
    report(0, 100)
    clock[0] = 10.0
    report(100, 100)
    clock[0] = 11.0
    report(0, 50)
    assert written[-1] == (0, 50, None, None)
    clock[0] = 13.0
    report(10, 50)
    assert written[-1] == (10, 50, pytest.approx(5.0), pytest.approx(8.0))


def test_an_unknown_total_has_no_time_left():
    clock, written, report = reporting()
    report(0, 0)
    clock[0] = 2.0
    report(100, 0)
    assert written[-1] == (100, 0, pytest.approx(50.0), None)


def test_a_refused_report_stops_the_work():
    _, written, report = reporting(answer=False)
    with pytest.raises(Cancelled):
        report(1, 2)
    assert written == [(1, 2, None, None)]


def test_the_line_of_progress(service, store):
    id = service.enqueue("import", "p", {}, title="Encode docs")
    assert progress_text(service.get(id)) == "Encode docs: queued"
    store.begin(id, 1, "w")
    store.report(id, 1, 4096, 10_000, 250.4, 83.6)
    assert progress_text(service.get(id)) == "Encode docs: 4,096 / 10,000 (40 %), 250/s, 1 min 24 s left"


# -- kinds, errors, surroundings --------------------------------------------------------------------------------------


def test_specs_arrive_as_specs():
    got = KINDS["import"].adapt({"name": "docs", "path": "/x/y.csv", "spec": {"reader": "csv"}}, "cpu")
    assert got == {"name": "docs", "path": Path("/x/y.csv"), "spec": ImportSpec(reader="csv")}
    assert KINDS["queries"].adapt({"path": "q", "qrels": None}, "cpu") == {"path": Path("q"), "qrels": None}
    for spec in ("HNSW32", {"factory": "HNSW32"}):
        assert KINDS["index"].adapt({"spec": spec}, "cpu") == {"spec": IndexSpec(factory="HNSW32")}
    with pytest.raises(BadInput, match="no field “factroy”"):
        KINDS["index"].adapt({"spec": {"factroy": "Flat"}}, "cpu")


@pytest.mark.parametrize(
    ("asked", "worker", "applied"),
    [
        ("auto", "cpu", "cpu"),
        ("auto", "cuda:1", "cuda"),
        ("cuda:1", "cuda:1", "cuda"),
        ("cuda:1", "cuda", "cuda:1"),
        ("cpu", "cuda", "cpu"),
    ],
)
def test_the_worker_decides_the_device(asked, worker, applied):
    got = KINDS["encode"].adapt({"encoder": "minilm", "spec": {"device": asked}}, worker)
    assert got == {"encoder": "minilm", "spec": EncodeSpec(device=applied)}


def test_a_job_for_the_wrong_device_is_refused():
    with pytest.raises(BadInput, match="ask for cuda, but this job was queued for cpu"):
        KINDS["encode"].adapt({"spec": {"device": "cuda"}}, "cpu")


def test_kinds_by_name():
    assert set(KINDS) >= {"import", "queries", "encode", "index", "demo"}
    assert load_kind(TABLE, "index") is KINDS["index"]
    with pytest.raises(NotFound, match="Did you mean “index”"):
        load_kind(TABLE, "indx")


def test_results_become_plain():
    assert as_result(None) == {}
    assert as_result({"a": 1}) == {"a": 1}
    assert as_result(SkippedRow("line 3", "empty")) == {"where": "line 3", "reason": "empty"}
    with pytest.raises(TypeError, match="int"):
        as_result(3)


def test_errors_become_sentences():
    assert explain(BadInput("What.", "Do."), "r") == ("What.", "Do.")
    assert explain(MemoryError(), "r")[0] == "There was not enough memory for this job."
    assert explain(type("OutOfMemoryError", (RuntimeError,), {})("CUDA"), "r")[0].startswith("There was not enough")
    assert explain(OSError(errno.ENOSPC, "x"), "r")[0] == "The disk is full."
    assert explain(KeyError("password"), "j.1") == (
        "The job stopped on an unexpected KeyError (reference j.1).",
        "Its log has the details.",
    )


def test_how_a_process_ended():
    assert how_it_ended(3) == "Its process ended with status 3 and left no result."
    assert how_it_ended(-9) == "Its process was killed by SIGKILL (often the system ran out of memory)."
    assert how_it_ended(-11) == "Its process was killed by SIGSEGV."


@pytest.mark.parametrize(
    ("device", "before", "after"),
    [("cpu", "0,1", ""), ("cuda", "0,1", "0,1"), ("cuda:1", None, "1"), ("cuda:1", "4,7", "7"), ("cuda", None, None)],
)
def test_a_child_sees_its_gpu_only(monkeypatch, device, before, after):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if before is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)
    assert environment(device).get("CUDA_VISIBLE_DEVICES") == after


def test_pages_and_workers_start_light():
    script = (
        "import sys, json\n"
        "import workbench.jobs\n"
        "light = 'dbos' not in sys.modules\n"
        "import workbench.jobs.worker\n"
        "heavy = [m for m in ('torch', 'faiss', 'transformers', 'gradio', 'umap') if m in sys.modules]\n"
        "print(json.dumps([light, heavy]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(done.stdout) == [True, []]
