"""Checks for exercises: what is said to an answer, from "not tried yet" to "right", with hints in three steps.

An `Exercise` knows the right answer, and the wrong answers that people give, each as something that can be run. An
answer that behaves like one of them is told so. A check prints and never raises, whatever the answer is or does.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Mistake:
    """A wrong answer worth a hint of its own."""

    wrong: Any  # the wrong answer itself: a function like the reader's, or a value
    where: str  # hint 1: where to look
    what: str  # hint 2: what is wrong
    line: str = ""  # hint 3: the line; the exercise's own where empty


@dataclass(frozen=True)
class Exercise:
    """One exercise. Called with the reader's answer, it prints what there is to say."""

    right: Any  # the right answer: a function, or a value
    where: str  # the three hints for a wrong answer that is none of the known mistakes
    what: str
    line: str
    cases: Sequence[tuple] = ((),)  # the arguments of each call; unused where the answer is a value
    mistakes: Sequence[Mistake] = ()
    rtol: float = 1e-5  # how far off, relatively, a number that is no integer may be

    def __call__(self, answer: Any = ..., hint: int = 1) -> None:
        print(self.verdict(answer, hint))

    def verdict(self, answer: Any = ..., hint: int = 1) -> str:
        """What the check prints. hint: which of the three hints to give where the answer is wrong."""
        try:
            return self._verdict(answer, hint)
        except Exception as error:  # an answer whose very comparison or name fails
            return f"not yet: the answer cannot be looked at ({type(error).__name__})"

    def _verdict(self, answer: Any, hint: int) -> str:
        if answer is ...:
            return "not tried yet"
        if callable(self.right) and not callable(answer):
            return f"not yet: a function is wanted, and this is {kind(answer)}; hand over its name, without ()"
        if callable(answer) and not callable(self.right):
            return "not yet: a value is wanted, and this is a function; call it, or write down what it gives"
        given = [outcome(answer, case) for case in self.cases]
        if all(value is ... for value in given):
            return "not tried yet"
        wanted = [outcome(self.right, case) for case in self.cases]
        agree = [same(a, b, self.rtol) for a, b in zip(given, wanted, strict=True)]
        if all(agree):
            return "right" if len(agree) == 1 else f"right, in all {len(agree)} cases"
        first = agree.index(False)
        hints = self._hints(given, first)
        step = hint if hint in (1, 2, 3) else 1
        more = f"\nFor the next hint, add hint={step + 1} to the check." if step < 3 else ""
        why = complaint(given[first], wanted[first], self.rtol)
        if callable(answer) and (case := shown(self.cases[first])):
            why += f"\nIt was called with {case}."
        return f"not yet: {why}\nHint {step} of 3: {hints[step - 1]}{more}"

    def _hints(self, given: list, first: int) -> tuple[str, str, str]:
        """The hints of the mistake that gives the same in every case; else the same where the answer first goes wrong;
        else the exercise's own."""
        outcomes = [[outcome(mistake.wrong, case) for case in self.cases] for mistake in self.mistakes]
        everywhere = [all(alike(a, b, self.rtol) for a, b in zip(given, wrong, strict=True)) for wrong in outcomes]
        there = [alike(given[first], wrong[first], self.rtol) for wrong in outcomes]
        for fits in (everywhere, there):
            if True in fits:
                mistake = self.mistakes[fits.index(True)]
                return mistake.where, mistake.what, mistake.line or self.line
        return self.where, self.what, self.line


@dataclass(frozen=True)
class Raised:
    """The outcome of a call that ended in an error; two are the same if their errors have one type."""

    error: type
    message: str


def outcome(answer: Any, case: tuple) -> Any:
    """What an answer gives for one case: its value, or what it raised. It works on copies of the arguments."""
    if not callable(answer):
        return answer
    try:
        return answer(*copy.deepcopy(case))
    except (Exception, SystemExit) as error:
        return Raised(type(error), str(error).splitlines()[0] if str(error) else "")


def alike(given: Any, wrong: Any, rtol: float) -> bool:
    """Whether an outcome is that of a mistake: the same, and where both are errors, in the same words.

    A type of error alone says little: a RuntimeError is about shapes as often as about types.
    """
    return same(given, wrong, rtol) and (not isinstance(given, Raised) or given.message == wrong.message)


def same(given: Any, wanted: Any, rtol: float = 1e-5) -> bool:
    """Equal in shape and in numbers: exactly where integers are wanted, to about five digits where others are.

    Lists, tuples, arrays and tensors may stand for each other.
    """
    if isinstance(given, Raised) or isinstance(wanted, Raised):
        return isinstance(given, Raised) and isinstance(wanted, Raised) and given.error is wanted.error
    if isinstance(wanted, str | bool) or wanted is None:
        return type(given) is type(wanted) and given == wanted
    try:
        a, b = as_tensor(given), as_tensor(wanted)
    except (TypeError, ValueError, RuntimeError):
        given, wanted = listed(given), listed(wanted)
        return isinstance(given, type(wanted)) and bool(given == wanted)
    if type(given) is type(wanted) is int:  # of any length: a float64 ends at 53 bits
        return given == wanted
    return a.shape == b.shape and bool(near(a, b, 0.0 if whole(wanted) else rtol).all())


def near(a: Tensor, b: Tensor, rtol: float) -> Tensor:
    """Where two tensors agree. The absolute slack forgives a float's last digits, and is nothing to an integer."""
    return torch.isclose(a, b, rtol=rtol, atol=1e-6)


def whole(value: Any) -> bool:
    """Whether something that `as_tensor` takes holds nothing but integers."""
    if isinstance(value, list | tuple):
        return all(whole(part) for part in value)
    return not torch.as_tensor(value).is_floating_point()


def listed(value: Any) -> Any:
    """A list where a tuple or an array is given, of words for instance."""
    return list(value) if isinstance(value, tuple | np.ndarray) else value


def as_tensor(value: Any) -> Tensor:
    """A number, a (nested) list, an array or a tensor, in float64; anything else is a TypeError.

    True and False are numbers inside a list only, as in a mask.
    """
    if isinstance(value, str | bytes | bool | dict | set):
        raise TypeError
    if isinstance(value, list | tuple):
        parts = [torch.tensor(part).double() if isinstance(part, bool) else as_tensor(part) for part in value]
        return torch.stack(parts) if parts else torch.zeros(0, dtype=torch.float64)
    if isinstance(value, Fraction):
        value = float(value)
    tensor = torch.as_tensor(value, dtype=torch.float64 if isinstance(value, float) else None)  # else float32
    if tensor.is_complex():
        raise TypeError
    return tensor.detach().cpu().double()


def complaint(given: Any, wanted: Any, rtol: float = 1e-5) -> str:
    """One clause on how the two differ, without giving the right numbers away."""
    if isinstance(given, Raised):
        return f"it ends in {given.error.__name__}" + (f": {given.message}" if given.message else "")
    if given is None:
        return "it gives None; is there a `return`?"
    if given is ...:
        return "it gives ... in some cases"
    try:
        a, b = as_tensor(given), as_tensor(wanted)
    except (TypeError, ValueError, RuntimeError):
        return f"it gives {kind(given)}, and {kind(wanted) if kind(given) != kind(wanted) else 'another'} is wanted"
    if a.shape != b.shape:
        return f"it gives {form(a)}, and {form(b)} is wanted"
    if a.ndim == 0:
        more = f" ({NAN})" if a.isnan() else ""
        return f"it gives {given}, and that is not the number{more}"
    wrong = int((~near(a, b, 0.0 if whole(wanted) else rtol)).sum())
    more = f", and some are nan ({NAN})" if a.isnan().any() else ""
    return f"the shape is right, {wrong} of {a.numel()} numbers are not{more}"


NAN = "nan comes of 0 / 0, of 0 times infinity, or of infinity minus infinity"


def shown(case: tuple, longest: int = 100) -> str:
    """The arguments of a call as one would type them, if they are plain and short; else nothing."""
    text = ", ".join(map(repr, case)) if all(map(plain, case)) else ""
    return text if len(text) <= longest else ""


def plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(plain, value))
    return isinstance(value, str | int | float)


def form(x: Tensor) -> str:
    return f"shape {tuple(x.shape)}" if x.ndim else "a single number"


def kind(value: Any) -> str:
    """A type in the reader's words."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' or name == 'ndarray' else 'a'} {name}"
