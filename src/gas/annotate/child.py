"""``python -m gas.annotate.child``: one annotation in a process of its own, for the service.

One JSON object comes in on standard input, up to its end:

    {"input": PATH, "output": PATH, "pack": PATH, "cache": PATH, "engine": NAME, "workers": 1,
     "limits": {"uncompressed_bytes": N, ...}, "offers": [TEXT, ...], "beside": TEXT}

``cache`` (as ``gas.annotate.pack.Pack`` has it), ``engine``, ``workers``, ``limits`` (fields of
``gas.annotate.stream.Limits``), ``offers`` and ``beside`` (as ``gas.annotate.run.annotate`` takes
them) may be left out.

``"do"`` asks for a part of the work on a large file instead (``gas.annotate.shards``), with what
that function takes: ``"plan"`` (INPUT, FOLDER, PACK, SHARD_BYTES), ``"work"`` (TEXT, CUTS, FOLDER,
PACK) or ``"join"`` (HEAD, FOUND, SHARDS as pairs of paths, OUTPUT, PACK), named in lower case.

Lines of JSON come out on standard output, each with one key:

    {"progress": {"records": N, "bytes_read": N, "bytes_total": N}}   a few times a second
    {"shard": {"number": N, "text": PATH, "cuts": PATH, "size_bytes": N, "read": SHARE}}   of a plan
    {"result": {"output": PATH, "index": PATH, "summary": {...}}}     once, the last line
    {"error": {"code", "message", "hint", "line", "column", "permanent"}}   instead of it

``summary`` is ``gas.annotate.run.Report.to_json``; the result of a plan is empty, that of work
names the files ``blocks`` and ``about``. ``message`` is without the place, which
``line`` and ``column`` (1-based, or null) give; ``permanent`` says whether another try is of no
use. The exit code is 0 after a result, 1 after an error; no last line and any other code is a
crash. What engines print goes to standard error.

SIGTERM cancels: the error has the code ``cancelled`` and nothing is left on disk. The process gets
SIGTERM as well when its parent is gone, and ends for good within ten seconds of it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TextIO

from gas.annotate import engines, shards
from gas.annotate.pack import Pack
from gas.annotate.run import Report, annotate
from gas.annotate.stream import Limits
from gas.errors import Cancelled, GasError, TransientError
from gas.procs import die_with_parent

_CLEAN_UP_S = 10


class _Cancellation:
    """Turns SIGTERM into ``Cancelled`` at the next check."""

    def __init__(self) -> None:
        self._asked = False
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to handle

    def _ask(self, number: int, frame: object) -> None:
        self._asked = True
        signal.alarm(_CLEAN_UP_S)  # the default action of SIGALRM ends the process

    def check(self) -> None:
        if self._asked:
            raise Cancelled


class _Answers:
    """Lines of JSON; a reader that is gone cancels the run."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def send(self, kind: str, value: object) -> None:
        try:
            self._out.write(json.dumps({kind: value}) + "\n")
            self._out.flush()
        except BrokenPipeError:
            # What is still in the buffer, and what the end of the run has to say, goes nowhere.
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), self._out.fileno())
            raise Cancelled from None

    def progress(self, records: int, bytes_read: int, bytes_total: int) -> None:
        self.send(
            "progress",
            {"records": records, "bytes_read": bytes_read, "bytes_total": bytes_total},
        )


def main() -> int:
    """Serve the one request on standard input; see the module's text."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return _serve(lambda: json.load(sys.stdin), out)


def forked(request: dict[str, Any], answers: Connection) -> None:
    """Serve ``request`` in a process that a multiprocessing fork server has just forked: the same
    conversation without the time that Python takes to start. Lines go to ``answers``, as they are.
    """
    os.setsid()  # so that we and all that we start can be killed together
    with os.fdopen(os.dup(answers.fileno()), "w", encoding="utf-8") as out:
        sys.exit(_serve(lambda: request, out))


def _serve(read: Callable[[], dict[str, Any]], out: TextIO) -> int:
    cancellation = _Cancellation()
    die_with_parent(signal.SIGTERM)
    answers = _Answers(out)
    try:
        request = read()
        do = _DO[request.get("do", "annotate")]
        answers.send("result", do(request, answers, cancellation.check))
    except GasError as error:
        return _fail(answers, error)
    except Exception:  # noqa: BLE001 - the last resort: the log gets the traceback, the person a sentence
        traceback.print_exc()
        return _fail(answers, TransientError("The annotation stopped on a fault of its own."))
    return 0


_Request = dict[str, Any]


def _annotate(request: _Request, answers: _Answers, check: Callable[[], None]) -> dict[str, Any]:
    return _about(
        annotate(
            Path(request["input"]),
            Path(request["output"]),
            **_with(request),
            workers=int(request.get("workers", 1)),
            progress=answers.progress,
            check_cancelled=check,
            offers=request.get("offers", ()),
            beside=request.get("beside"),
        )
    )


def _plan(request: _Request, answers: _Answers, check: Callable[[], None]) -> dict[str, Any]:
    def tell(shard: shards.Shard) -> None:
        paths = {"text": str(shard.text), "cuts": str(shard.cuts)}
        answers.send("shard", vars(shard) | paths)

    shards.plan(
        Path(request["input"]),
        Path(request["folder"]),
        **_with(request),
        shard_bytes=request["shard_bytes"],
        tell=tell,
        progress=answers.progress,
        check_cancelled=check,
        offers=request.get("offers", ()),
    )
    return {}


def _work(request: _Request, answers: _Answers, check: Callable[[], None]) -> dict[str, Any]:
    done = shards.work(
        Path(request["text"]),
        Path(request["cuts"]),
        Path(request["folder"]),
        **_with(request),
        workers=int(request.get("workers", 1)),
        progress=answers.progress,
        check_cancelled=check,
    )
    return {"blocks": str(done.blocks), "about": str(done.about)}


def _join(request: _Request, answers: _Answers, check: Callable[[], None]) -> dict[str, Any]:
    done = [shards.Done(Path(blocks), Path(about)) for blocks, about in request["shards"]]
    return _about(
        shards.join(
            Path(request["head"]),
            Path(request["found"]),
            done,
            Path(request["output"]),
            **_with(request),
            check_cancelled=check,
            beside=request.get("beside"),
        )
    )


_DO = {"annotate": _annotate, "plan": _plan, "work": _work, "join": _join}


def _with(request: _Request) -> dict[str, Any]:
    """What every kind of request says of how it is to be done."""
    cache = request.get("cache")
    return {
        "pack": Pack.open(Path(request["pack"]), Path(cache) if cache else None),
        "engine": request.get("engine", engines.DEFAULT),
        "options": request.get("options"),
        "limits": Limits(**request.get("limits", {})),
    }


def _about(report: Report) -> dict[str, Any]:
    return {
        "output": str(report.output),
        "index": str(report.index),
        "summary": report.to_json(),
    }


def _fail(answers: _Answers, error: GasError) -> int:
    answers.send(
        "error",
        {
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
            "line": error.line,
            "column": error.column,
            "permanent": error.permanent,
        },
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
