"""The terminal of a run: what is shown of a job, how far all is, and what is last."""

import io
import logging
import shlex
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from sre.workflow import joblog
from sre.workflow.console import Console, sentence
from sre.workflow.plan import Job, Plan, name_of
from sre.workflow.screen import Screen, columns

LOG = """\
$ python -m steps.train_embedding '{"lr": 1}' exp/final.pt
17:00:00 training set: utterances found 600
17:00:02 train: 640 of 19200 utt, 160 utt/s, ETA 1:56 epoch 2, data wait 3 %
17:00:03 warning: step 9: the loss or its gradient is not finite; skipped
17:00:03 warning: step 9: the loss or its gradient is not finite; skipped
"""
BROKEN_OFF = "broken off: rank 1 of 2 (process 7) was ended by SIGKILL; the same command goes on at step 4"


def test_a_log_tells_progress_warnings_and_what_was_done(tmp_path: Path) -> None:
    progress = joblog.progress(LOG.replace("17:00:02", time.strftime("%H:%M:%S")))
    assert (progress.total, progress.unit, progress.note) == (19200, "utt", "epoch 2, data wait 3 %")
    assert 640 <= progress.now <= 640 + 5 * 160 and 110 < progress.remaining_s <= 116
    assert joblog.warnings(LOG) == ["step 9: the loss or its gradient is not finite; skipped"]
    done = LOG + "17:02:00 train: 19200 utt in 2:00, 160 utt/s\n17:02:01 data/x: SHA-256 12\n"
    assert joblog.outcome(done) == "19200 utt, 160 utt/s"
    assert joblog.progress("") is None and joblog.read(tmp_path / "none") == "" and joblog.outcome("") == ""
    assert joblog.last(LOG) == "warning: step 9: the loss or its gradient is not finite; skipped"
    assert joblog.last("$ x\n") == "" and joblog.last("$ x\nf: waiting for 3\n") == "f: waiting for 3"


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("$ python -m x\n17:00:00 begun\nerror: a: no such file;\nb: neither\n", 1, "a: no such file;\nb: neither"),
        ("usage: x [-h]\nmake_fbank.py: error: unrecognized arguments: --x\n", 2, "unrecognized arguments: --x"),
        ("$ x\n17:00:00 begun\n", 137, "SIGKILL: the machine had no memory left"),
        ("Traceback (most recent call last):\n  File x\nKeyError: 'a'\n", 1, "KeyError: 'a' (a fault of the program"),
        ("$ python -m x\n", 3, "without a word"),
        (f"$ python -m x\nrank 1, at step 5:\n  File x\n{BROKEN_OFF}\n", 1, BROKEN_OFF),
    ],
)
def test_a_failed_job_has_a_sentence(text: str, status: int, said: str) -> None:
    assert said in joblog.failure(text, status)


def test_what_was_broken_off_is_tried_again() -> None:
    assert joblog.refusal("$ python -m x\nerror: a: no such file\n") == "a: no such file"
    assert joblog.refusal(f"$ python -m x\n{BROKEN_OFF}\n") is None and joblog.stopped(BROKEN_OFF) is None


@pytest.mark.parametrize(
    "message",
    [
        'WorkflowError in file "/p/steps/common.smk", line 19:\nroot: bad\n  File "/p/steps/common.smk", line 22, in f',
        "WorkflowError:\nroot: bad",
        "root: bad",
        "Error: root: bad",
        "WorkflowError:\nroot: bad (rule x, line 3, /p/a (b)/steps/data.smk)",
    ],
)
def test_our_sentences_stand_without_the_wrapping_of_snakemake(message: str) -> None:
    assert sentence(message) == "root: bad"


def test_a_fault_of_a_recipes_rules_keeps_its_place() -> None:
    raised = (
        'NameError in file "/p/data.smk", line 3:\nname \'X\' is not defined\n  File "/p/data.smk", line 3, in <module>'
    )
    assert sentence(raised) == "name 'X' is not defined (NameError in file \"/p/data.smk\", line 3)"


def test_what_the_system_refuses_is_a_sentence_without_a_traceback() -> None:
    said = "Traceback (most recent call last):\n\n  File x\n\nOSError: [Errno 36] File name too long: 'a b'"
    assert sentence(said).startswith("a b: File name too long; mend that")


def test_jobs_are_named_by_split_model_and_shard() -> None:
    wildcards = {"data": "root/data", "split": "mini_test", "features": "fbank40", "shard": "2"}
    assert name_of("make_features", wildcards) == "make_features mini_test fbank40 shard 2"
    assert (
        name_of("train_backend", {"exp": "e", "run": "xv", "suffix": "", "backend": "plda"}) == "train_backend xv plda"
    )


def test_how_far_a_run_is_is_weighted_by_cost() -> None:
    jobs = {number: Job(f"j{number}", "score_systems", None, expected_s=1.0) for number in range(9)}
    jobs[9] = Job("t", "train_embedding", None, expected_s=991.0)
    plan = Plan(jobs)
    assert plan.percent() == 0
    for number in range(9):
        jobs[number].took = 1.0
    assert plan.percent() == 0 and plan.done == 9
    jobs[9].took = 991.0
    assert plan.percent() == 100


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_fit_a_terminal_and_a_file_has_no_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        screen = Screen(stream)
        screen.line("x" * 99)
        screen.redraw("y" * 99)
        screen.whole("word " * 30)
        screen.clear()
    assert "\033" not in file.getvalue() and "x" * 99 in file.getvalue() and "y" not in file.getvalue()
    parts = terminal.getvalue().replace("\r\033[K", "\n").splitlines()
    assert max(len(part) for part in parts if "word" not in part) <= 40 and any("y" in part for part in parts)
    assert terminal.getvalue().count("word") == 30


@pytest.mark.parametrize("width", ["1", "2", "3"])
def test_a_tiny_terminal_and_a_huge_line_are_no_trouble(monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    Screen(terminal).line("中" * 10**6)
    assert terminal.getvalue().endswith("…\n") and len(terminal.getvalue()) < 9


@pytest.mark.parametrize(("ahead_s", "done"), [(5, 640), (-3600, 640 + 90 * 160)])
def test_progress_by_another_clock_and_of_a_job_that_stalls(ahead_s: float, done: int) -> None:
    at = time.strftime("%H:%M:%S", time.localtime(time.time() + ahead_s))
    assert joblog.progress(LOG.replace("17:00:02", at)).now == done


@pytest.mark.parametrize("text", ["中" * 60, "e\u0301" * 99, "a\033[31m\r" * 30, "plain " * 30])
def test_wide_letters_and_escape_codes_do_not_break_a_line(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    Screen(terminal).line(text)
    assert "\033" not in terminal.getvalue() and "\r" not in terminal.getvalue()
    assert 36 <= columns(terminal.getvalue().rstrip("\n")) < 40


def test_a_terminal_of_another_encoding_gets_what_it_can_show() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    Screen(stream).line("é … 中")
    assert stream.buffer.getvalue() == "é ? ?\n".encode("latin-1")


def test_many_warnings_of_a_job_are_counted(tmp_path: Path) -> None:
    console, stream = run_of(tmp_path)
    log = tmp_path / "train.log"
    log.write_text("$ x\n" + "".join(f"17:00:00 warning: step {n} is bad\n" for n in range(9)))
    console.filter(record("job_finished", job_id=1))
    console.end()
    lines = [line for line in stream.getvalue().splitlines() if line.startswith("warning: ")]
    assert len(lines) == 6 and lines[-1] == f"warning: train_embedding xvector: 4 more in {log}"


def run_of(tmp_path: Path, **settings: object) -> tuple[Console, io.StringIO]:
    """A console that two jobs are announced to, one with a log that has failed."""
    (tmp_path / "report.html").write_text("page")
    stream = io.StringIO()
    known = {"dryrun": False, "quiet": set(), "verbose": False, "printshellcmds": False, "debug_dag": False}
    jobs = [
        SimpleNamespace(jobid=number, rule=SimpleNamespace(name=rule), log=[str(tmp_path / log)], output=["x"],
                        wildcards_dict={"run": "xvector"} if number == 1 else {})
        for number, rule, log in ((1, "train_embedding", "train.log"), (2, "make_report", "report.log"))
    ]  # fmt: skip
    dag = SimpleNamespace(needrun_jobs=lambda: jobs)
    settings = SimpleNamespace(**known | settings)
    console = Console(SimpleNamespace(output_settings=settings, dag=dag, touch=False, is_main_process=True), stream)
    console.page = str(tmp_path / "report.html")
    for event, more in (("workflow_started", {}), ("run_info", {}), ("job_info", {"jobid": 1})):
        console.filter(record(event, **more))
    (tmp_path / "train.log").write_text(LOG)
    return console, stream


def start_report(console: Console, folder: Path) -> None:
    console.filter(record("job_info", jobid=2))
    (folder / "report.log").write_text(f"$ x\nmodel  EER\nxvector  5.0\n{folder}/report.html\n")


def record(event: str | None, message: str = "Snakemake's own", level: int = logging.INFO, **more: object):
    made = logging.LogRecord("snakemake", level, "", 0, message, (), None)
    made.__dict__.update({"event": event, **more} if event else more)
    return made


def test_a_run_ends_with_warnings_the_table_and_the_page(tmp_path: Path) -> None:
    console, stream = run_of(tmp_path)
    assert not console.filter(record(None, "Select jobs to execute..."))
    console.filter(record("job_finished", job_id=1))
    start_report(console, tmp_path)
    console.filter(record("job_finished", job_id=2))
    console.end()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "2 steps to do" and "train_embedding xvector: " in lines[1] and "1 warning" in lines[1]
    assert "100 % make_report" in lines[2]
    assert lines[3] == "warning: train_embedding xvector: step 9: the loss or its gradient is not finite; skipped"
    assert lines[4:6] == ["model  EER", "xvector  5.0"] and lines[6].startswith("done: 2 steps in 0:0")
    assert lines[7:] == [str(tmp_path / "report.html")]


def test_a_failed_job_ends_with_its_sentence_and_its_log(tmp_path: Path) -> None:
    console, stream = run_of(tmp_path)
    log = tmp_path / "train.log"
    log.write_text(LOG + "error: no utterance is left; lower filter.min_frames\n")
    command = f"'python -m steps.record_job {shlex.quote(str(log))} --inputs' returned non-zero exit status 1."
    console.filter(record("error", f"RuleException:\nCalledProcessError in file x:\n{command}", logging.ERROR))
    console.filter(record("job_error", level=logging.ERROR, jobid=1))
    console.filter(record("error", "WorkflowError:\nAt least one job did not complete successfully.", logging.ERROR))
    console.end()
    assert stream.getvalue().splitlines()[1:] == [
        "error: train_embedding xvector: no utterance is left; lower filter.min_frames",
        f"its log: {log}",
    ]


def test_ctrl_c_is_one_line_with_the_step_to_go_on_from(tmp_path: Path) -> None:
    console, stream = run_of(tmp_path)
    with open(tmp_path / "train.log", "a") as file:
        file.write("17:00:09 stopped at step 312; the same command goes on from step 300 of 600\n")
    console.filter(record(None, "Terminating processes on user request, this might take some time."))
    console.filter(record("job_error", level=logging.ERROR, jobid=1))
    console.end()
    expected = "stopped; the same command goes on from step 300 of 600 of train_embedding xvector"
    assert stream.getvalue().splitlines()[1:] == [expected]


def test_memory_that_cannot_be_written_is_said_to_be_under_the_root() -> None:
    raised = "Error recording metadata for finished job ([Errno 28] No space left on device). Please ensure write p"
    assert sentence(f"WorkflowError:\n{raised}").endswith("(No space left on device); make room under the root")


def test_a_stop_hides_no_error_and_is_told_once(tmp_path: Path) -> None:
    console, stream = run_of(tmp_path)
    with open(tmp_path / "train.log", "a") as file:
        file.write("error: no utterance is left; lower filter.min_frames\n")
    for _ in range(2):
        console.filter(record(None, "Will exit after finishing currently running jobs (scheduler)."))
    console.filter(record("job_error", level=logging.ERROR, jobid=1))
    console.end()
    first, error, where, last = stream.getvalue().splitlines()[1:]
    assert first.endswith("stopping: the jobs that run come to their end first")
    assert error == "error: train_embedding xvector: no utterance is left; lower filter.min_frames"
    assert where.startswith("its log: ") and last.startswith("stopped; the same command goes on from")


def test_a_page_under_another_working_directory_has_its_whole_path(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    console, stream = run_of(tmp_path)
    (tmp_path / "report.html").touch()
    console.idle, console.page = True, "report.html"
    monkeypatch.chdir("/")
    console.end()
    assert stream.getvalue().splitlines()[-1] == str(tmp_path / "report.html")


def test_a_long_job_is_announced_and_has_a_line_each_half_minute(tmp_path: Path) -> None:
    console, stream = run_of(tmp_path)
    job = console.plan.jobs[1]
    console._tick()
    assert len(stream.getvalue().splitlines()) == 1
    job.begun -= 6
    console._tick(), console._tick()
    assert stream.getvalue().splitlines()[1].endswith(" train_embedding xvector …")
    (tmp_path / "train.log").write_text(LOG.replace("17:00:02", time.strftime("%H:%M:%S")))
    job.shown -= 31
    console._tick(), console._tick()
    (line,) = stream.getvalue().splitlines()[2:]
    assert "of 19200 utt, 160 utt/s, ETA 1:5" in line and line.endswith("epoch 2, data wait 3 %")


def test_a_quiet_run_says_only_how_it_ended(tmp_path: Path) -> None:
    console, stream = run_of(tmp_path, quiet={"progress"})
    start_report(console, tmp_path)
    console.end()
    begins = [line.split()[0] for line in stream.getvalue().splitlines()]
    assert begins == ["warning:", "model", "xvector", "done:", console.page]


def test_a_job_that_is_tried_again_is_no_failure(tmp_path: Path) -> None:
    console, stream = run_of(tmp_path)
    console.filter(record("job_error", level=logging.ERROR, jobid=1))
    console.filter(record(None, "Trying to restart job 1."))
    console.filter(record("job_info", jobid=1))
    console.filter(record("job_finished", job_id=1))
    console.end()
    assert "tried again: train_embedding xvector" in stream.getvalue() and "error: " not in stream.getvalue()


def test_dry_runs_and_verbose_runs_keep_snakemakes_own_messages(tmp_path: Path) -> None:
    console, _ = run_of(tmp_path, dryrun=True)
    assert console.filter(record("job_info", jobid=1)) and console.filter(record(None, "Building DAG of jobs..."))
    console, stream = run_of(tmp_path, printshellcmds=True)
    assert console.filter(record("shellcmd")) and "steps to do" in stream.getvalue()


def test_a_fault_of_the_display_ends_no_run(tmp_path: Path) -> None:
    console, stream = run_of(tmp_path)
    assert console.filter(record("job_finished"))  # without its job_id
    assert "display failed (KeyError" in stream.getvalue()


def test_what_an_earlier_try_has_left_in_a_log_does_not_count(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_text(LOG)
    job = Job("t", "train_embedding", log)
    assert job.text == ""  # it has not begun
    job.start()
    assert job.text == "" and job.progress is None
    log.write_text("$ python\n")
    assert job.text == "$ python\n"


def test_a_job_that_was_killed_is_said_to_be(tmp_path: Path) -> None:
    console, stream = run_of(tmp_path)
    command = f"set -e; python -m steps.record_job {tmp_path}/train.log --inputs a"
    console.filter(record("error", f"CalledProcessError:\nCommand '{command}' died with <Signals.SIGKILL: 9>.", 40))
    console.filter(record("job_error", level=logging.ERROR, jobid=1, rule_msg="node 3"))
    console.end()
    assert "SIGKILL: the machine had no memory left, or somebody ended it (node 3)" in stream.getvalue()
