"""Running what only looks: every step at once as soon as it knows what it needs, each with its deadline.

One that fails or hangs stops no other. What a step said is handed out the moment it is there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from pydantic import ValidationError

from opsbot.actions import ACTIONS, Bench
from opsbot.errors import CloudError, OpsbotError
from opsbot.model.environment import Environment
from opsbot.model.runbook import OnFailure, Param, Runbook, Step, StepState, Took, Value
from opsbot.ports.remote import Inspector
from opsbot.runbooks import filling
from opsbot.runbooks.lint import wrong

# What an answer of an unexpected shape raises: AWS's answers are untrusted.
_SHAPE = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError)


class Once:
    """An Inspector that asks the same only once, for steps that look at once; queries that change as they run are asked
    every time."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self._asked: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()

    def ask(self, environment: Environment, region: str, service: str, operation: str, /, **asked: Any) -> Any:
        if service == "logs":
            return self._inspector.ask(environment, region, service, operation, **asked)
        key = repr((environment.name, region, service, operation, sorted(asked.items(), key=str)))
        with self._lock:
            mine = key not in self._asked
            future = self._asked.setdefault(key, Future())
        if mine:
            try:
                future.set_result(self._inspector.ask(environment, region, service, operation, **asked))
            except OpsbotError as error:
                future.set_exception(error)
            finally:
                # Whatever else may have happened: those who wait for the same answer must not wait for ever.
                if not future.done():
                    future.set_exception(CloudError(f"{service}.{operation} could not be asked", permanent=False))
        return future.result()


@dataclass(slots=True)
class _Under:
    """A step under way. `given` are its arguments with their values."""

    step: Step
    given: Mapping[str, Any]
    began: float
    until: float


@dataclass(slots=True)
class Round:
    """One run of a runbook's steps. `names` grows with every answer; `given` are the arguments each step was called with."""

    book: Runbook
    bench: Bench
    names: dict[str, Value]
    tell: Callable[[Took], None]
    given: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _took: dict[str, Took] = field(default_factory=dict)
    _under: dict[str, _Under] = field(default_factory=dict)
    _ready: SimpleQueue[Took] = field(default_factory=SimpleQueue)
    _given_by: dict[str, str] = field(default_factory=dict)
    _aborted: str = ""

    def run(self) -> tuple[Took, ...]:
        """Every step's outcome in the order of the page."""
        end = time.monotonic() + self.book.limits.timeout.total_seconds()
        self._given_by = {name: step.id for step in self.book.steps for name in (step.id, *dict(step.save))}
        waiting = list(self.book.steps)
        while waiting or self._under:
            waiting = [step for step in waiting if not self._begin(step, end)]
            if self._under:
                self._take()
        return tuple(self._took[step.id] for step in self.book.steps)

    def _begin(self, step: Step, end: float) -> bool:
        """Start it, or say why it is left out; False while it has to wait."""
        needs = {self._given_by[name] for name in filling.asked_of(step) if name in self._given_by} - {step.id}
        if not needs <= self._took.keys() and not self._aborted:
            return False
        why, hint, given = self._reckoned(step, needs)
        if why:
            self._end(Took(step=step.id, uses=step.uses, state=StepState.SKIPPED, why=why, hint=hint))
            return True
        self._start(step, given, end)
        return True

    def _reckoned(self, step: Step, needs: set[str]) -> tuple[str, str, Mapping[str, Any]]:
        """Why it is left out and what to do, or its arguments."""
        if self._aborted:
            return f"step {self._aborted} failed, and the runbook ends there", "", {}
        if not step.uses:
            return step.note, "", {}
        if failed := sorted(one for one in needs if self._took[one].answer is None):
            return f"it needs what step {failed[0]} would have said", "", {}
        if step.when and not filling.holds(step.when, self.names):
            return f"not so: {step.when}", "", {}
        try:
            return "", "", filling.filled(step.given, self.names)
        except filling.Missing as missing:
            return _unknown(missing.name, self.book.params)

    def _start(self, step: Step, given: Mapping[str, Any], end: float) -> None:
        now = time.monotonic()
        length = (step.timeout or ACTIONS[step.uses].timeout).total_seconds()
        self.given[step.id] = given
        self._under[step.id] = _Under(step, given, now, min(now + length, end))
        # A daemon's thread: one that hangs in a call must not keep the program from ending.
        threading.Thread(target=lambda: self._ready.put(self._look(step, given, now)), daemon=True).start()

    def _look(self, step: Step, given: Mapping[str, Any], began: float) -> Took:
        return look(step, given, self.bench, began)

    def _take(self) -> None:
        """Wait for the next answer or deadline."""
        first = min(under.until for under in self._under.values())
        try:
            took = self._ready.get(timeout=max(0.0, first - time.monotonic()))
        except Empty:
            self._overdue()
            return
        # An answer that comes after its deadline was told as such already.
        if took.step in self._under:
            self._end(took)

    def _overdue(self) -> None:
        now = time.monotonic()
        for under in [one for one in self._under.values() if one.until <= now]:
            seconds = under.until - under.began
            why = f"no answer in {seconds:.3g} s"
            step = under.step
            self._end(Took(step=step.id, uses=step.uses, state=StepState.TIMED_OUT, seconds=seconds, why=why))

    def _end(self, took: Took) -> None:
        self._under.pop(took.step, None)
        self._took[took.step] = took
        step = next(one for one in self.book.steps if one.id == took.step)
        if took.answer is not None:
            self.names[step.id] = dict(took.answer.values)
            self.names.update((name, filling.pick(path, took.answer.values)) for name, path in step.save)
        elif step.on_failure is OnFailure.ABORT and took.state is not StepState.SKIPPED:
            self._aborted = self._aborted or step.id
        self.tell(took)


def look(step: Step, given: Mapping[str, Any], bench: Bench, began: float) -> Took:
    """One action's look, whatever comes of it as a value. A change is only looked at: that is its plan."""
    action = ACTIONS[step.uses]

    def ended(state: StepState, why: str = "", hint: str = "") -> Took:
        return Took(step=step.id, uses=step.uses, state=state, seconds=time.monotonic() - began, why=why, hint=hint)

    try:
        answer = action.look(bench, action.parse(given))
    except ValidationError as error:
        return ended(StepState.FAILED, wrong(error.errors()[0]))
    except OpsbotError as error:
        return ended(StepState.FAILED, error.message, error.hint)
    except _SHAPE as error:
        why = f"AWS gave an answer opsbot does not understand ({type(error).__name__})"
        return ended(StepState.FAILED, why, "report it, with the version that opsbot --version prints")
    state = StepState.PLANNED if action.changes_things else StepState.DONE
    return Took(step=step.id, uses=step.uses, state=state, seconds=time.monotonic() - began, answer=answer)


def _unknown(name: str, params: tuple[Param, ...]) -> tuple[str, str, Mapping[str, Any]]:
    param = next((one for one in params if one.name == name), None)
    about = f" ({param.about})" if param and param.about else ""
    whole = name if "." not in name else name.split(".")[-1]
    hint = f"--set {name}=VALUE" if "." not in name else ""
    return f"no {whole.replace('_', ' ')} is known{about}", hint, {}
