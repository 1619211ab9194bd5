"""Processes that do risky work: one item that never ends, eats memory or brings its process down costs only itself.

Each worker sets the kernel's timer before an item and takes it off behind it, so that even code that never comes back
to Python ends at the limit, and so does a worker whose parent is gone. It also says in shared memory which item it is
at: that is the guilty one should it die. After a crash it gets a second chance, as it may have been an innocent worker
that the system or a person ended.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from types import ModuleType
from typing import Any, Generic, TypeVar

from schemas.errors import PresslakeError, RecordError

T = TypeVar("T")
R = TypeVar("R")

# Chunks of 32 measured best.
_CHUNK = 32
# Results are gathered up to this size before they are sent: each message costs both sides more than its bytes do.
_MESSAGE_BYTES = 1024 * 1024
_MOST_BYTES = 3 * 1024**3
_CRASHES = 2
_STARTS = 4
# How long to wait for a word of a process before looking whether it is still there.
_PATIENCE_S = 2.0
_READY = "ready"


class Workers(Generic[T, R]):
    """A few processes that apply ``work`` to items. They start when first needed and end with ``stop``.

    ``failed`` makes the result of an item that could not be done. ``work`` is imported by name in the processes, and
    so are the modules in ``preload``, once for all of them.
    """

    def __init__(
        self,
        work: Callable[[T], R],
        failed: Callable[[T, RecordError], R],
        *,
        count: int,
        timeout_s: float,
        preload: Sequence[str] = (),
    ) -> None:
        """Keep the settings; nothing is started yet."""
        self._work, self._failed = work, failed
        self._count, self._timeout_s = count, timeout_s
        self._staff: list[_Worker] = []
        self._turn = threading.Lock()
        self._begun: list[Future[None]] = []
        self._era = 0  # what was begun in one ends when this moves on, at work or not
        # Fork would copy the threads' locks of the storage engine, held or not.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(preload))

    def prepare(self) -> None:
        """Begin with the imports that all processes share, beside whatever is done until they are needed."""
        from multiprocessing import forkserver

        if not self._staff:
            with suppress(OSError):
                forkserver.ensure_running()

    def map(self, items: Sequence[T]) -> list[R]:
        """Return the result of each item, in order.

        Raises:
            PresslakeError: processes cannot be started here.
        """
        return self._map(items, self._era)

    def _map(self, items: Sequence[T], era: int) -> list[R]:
        with self._turn:
            try:
                return _Round(self, items, era).run()
            except BaseException:
                # What is under way belongs to nobody any more.
                self._kill()
                raise

    def begin(self, items: Sequence[T]) -> Callable[[], list[R]]:
        """Start on items in the background, behind what is under way; return what waits for the results, once.

        Waiting raises what ``map`` raises.
        """
        done: list[list[R]] = []
        end: Future[None] = Future()
        era = self._era

        def run() -> None:
            try:
                done.append(self._map(items, era))
                end.set_result(None)
            except BaseException as error:  # handed over whole to who waits
                end.set_exception(error)

        self._begun = [*(one for one in self._begun if not one.done()), end]
        threading.Thread(target=run, name="presslake-extraction", daemon=True).start()

        def results() -> list[R]:
            # Not Thread.join: once interrupted, it takes the thread for finished.
            end.result()
            return done.pop()  # theirs alone, to be let go of as soon as they are used up

        return results

    def stop(self) -> None:
        """End all processes at once, whatever they do, and what was begun."""
        self._kill()
        # Until it has noticed, it starts processes and waits for their ends, and so would the end of this program.
        wait_for(self._begun, _PATIENCE_S)

    def _kill(self) -> None:
        self._era += 1
        # An interrupt may come while another is under way: what it leaves is nobody's any more, and killed.
        staff, self._staff = self._staff, []
        for worker in staff:
            worker.process.kill()
        for worker in staff:
            worker.end()


class _Worker:
    """One process and what it owes: the positions of the items it was given."""

    def __init__(self, workers: Workers[Any, Any]) -> None:
        self.connection, other = workers._context.Pipe()
        # Which item of its chunk the process is at.
        self.at = workers._context.RawValue("l", 0)
        given = other, workers._work, workers._failed, workers._timeout_s, self.at
        self.process = workers._context.Process(target=_serve, args=given, name="presslake-worker", daemon=True)
        with _unnamed_program():
            self.process.start()
        # Only the worker must hold the other end, or its death would go unnoticed.
        other.close()
        self.is_ready = False
        self.owes: deque[int] = deque()
        self.given = 0

    def take_guilty(self) -> int:
        """Return the item it died of, and owe it no more."""
        sent = self.given - len(self.owes)
        guilty = self.owes[min(max(0, self.at.value - sent), len(self.owes) - 1)]
        self.owes.remove(guilty)
        return guilty

    def end(self) -> int:
        """Wait for the process that ended or was killed, and return its exit code."""
        # The server of processes tells of their ends, and it may have been killed with them.
        self.process.join(_PATIENCE_S)
        self.connection.close()
        code: int | None = self.process.exitcode
        with suppress(ValueError):
            self.process.close()
        return -signal.SIGKILL if code is None else code


@contextmanager
def _unnamed_program() -> Iterator[None]:
    """Keep a process that starts from importing the program that started it: it needs nothing of it.

    Where that is a script with heavy imports, or a test run, it would take seconds.
    """
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program


class _Round:
    """One call of ``map``: which items wait, which are done."""

    def __init__(self, workers: Workers[Any, Any], items: Sequence[Any], era: int) -> None:
        self.workers, self.items, self.era = workers, items, era
        self.results: list[Any] = [None] * len(items)
        self.open = len(items)
        positions = range(len(items))
        # Few items are shared out evenly, many in chunks.
        size = max(1, min(_CHUNK, -(-len(items) // workers._count)))
        self.chunks = deque(list(positions[start : start + size]) for start in range(0, len(items), size))
        self.crashes: dict[int, int] = {}
        self.failed_starts = 0

    def run(self) -> list[Any]:
        workers = self.workers
        while self.open:
            self._go_on()
            busy = sum(1 for worker in workers._staff if worker.owes)
            while len(workers._staff) < min(workers._count, busy + len(self.chunks)):
                self._start()
                self._go_on()
            for worker in [w for w in workers._staff if w.is_ready and not w.owes and self.chunks]:
                self._give(worker)
            heard = wait([worker.connection for worker in workers._staff], _PATIENCE_S)
            for worker in [w for w in workers._staff if w.connection in heard]:
                self._hear(worker)
            for worker in [w for w in workers._staff if not heard and not w.process.is_alive()]:
                self._bury(worker)
        return self.results

    def _go_on(self) -> None:
        if self.workers._era != self.era:
            raise PresslakeError("The extraction was stopped.")

    def _start(self) -> None:
        try:
            self.workers._staff.append(_Worker(self.workers))
        except (EOFError, OSError) as error:
            # The server of processes is going down, and the next try starts another; or there is no room for any.
            self._failed_start(str(error) or type(error).__name__)

    def _failed_start(self, why: str) -> None:
        self.failed_starts += 1
        if self.failed_starts >= _STARTS:
            raise PresslakeError(
                f"Processes for extraction end as soon as they start ({why}).",
                remedy="Free memory, or raise the limit of processes.",
            )

    def _give(self, worker: _Worker) -> None:
        if not self.chunks:
            return
        chunk = self.chunks.popleft()
        try:
            worker.at.value = 0
            worker.connection.send([self.items[position] for position in chunk])
            worker.owes.extend(chunk)
            worker.given = len(chunk)
        except OSError:
            # It died idle; nothing of this is anyone's fault.
            self.chunks.appendleft(chunk)
            self._bury(worker)

    def _hear(self, worker: _Worker) -> None:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        if not worker.is_ready:
            worker.is_ready = message == _READY
            self.failed_starts = 0
            return
        for result in message:
            self._done(worker.owes.popleft(), ForkingPickler.loads(result))

    def _done(self, position: int, result: Any) -> None:
        self.results[position] = result
        self.open -= 1

    def _bury(self, worker: _Worker) -> None:
        """Take a dead worker out, judge the item it died of, and put the others back."""
        self.workers._staff.remove(worker)
        code = worker.end()
        if not worker.is_ready:
            self._failed_start(f"exit code {code}")
        if not worker.owes:
            return
        guilty = worker.take_guilty()
        if worker.owes:
            self.chunks.appendleft(list(worker.owes))
        if code == -signal.SIGALRM:
            limit = f"{self.workers._timeout_s:g}"
            slow = f"Extraction took longer than {limit} s. Raise PRESSLAKE_DOCUMENT_TIMEOUT_S if it only needs time."
            self._fail(guilty, RecordError("extraction_timeout", slow))
            return
        self.crashes[guilty] = self.crashes.get(guilty, 0) + 1
        if self.crashes[guilty] < _CRASHES:
            self.chunks.appendleft([guilty])
        else:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            self._fail(guilty, RecordError("extraction_crashed", f"Extraction brought its process down ({how})."))

    def _fail(self, position: int, error: RecordError) -> None:
        self._done(position, self.workers._failed(self.items[position], error))


Failed = Callable[[Any, RecordError], Any]


def _serve(connection: Connection, work: Callable[[Any], Any], failed: Failed, timeout_s: float, at: Any) -> None:
    """Do chunk after chunk until the parent closes the connection."""
    # Ctrl-C goes to all processes of a terminal; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _limit_memory()
    with suppress(EOFError, OSError):
        connection.send(_READY)
        while True:
            results: list[bytes] = []
            size = 0
            for number, item in enumerate(connection.recv()):
                at.value = number
                signal.setitimer(signal.ITIMER_REAL, timeout_s)
                result = bytes(ForkingPickler.dumps(_result(item, work, failed)))
                # The parent may be busy for long; that is not the item's time.
                signal.setitimer(signal.ITIMER_REAL, 0)
                results.append(result)
                size += len(result)
                if size > _MESSAGE_BYTES:
                    connection.send(results)
                    results, size = [], 0
            if results:
                connection.send(results)


def _result(item: Any, work: Callable[[Any], Any], failed: Failed) -> Any:
    try:
        return work(item)
    except BaseException as error:  # libraries in Rust panic with an error of their own, beside Exception
        said = " ".join(str(error).split())[:300]
        return failed(item, RecordError("extraction_crashed", f"Extraction failed: {type(error).__name__}: {said}"))


def _limit_memory() -> None:
    """Let a worker that eats memory fail by itself, before the system picks a process to end."""
    import resource

    with suppress(ValueError, OSError):
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (_MOST_BYTES, most))
