"""The best that any model can do on the microworld: exact probabilities, by summing over all that is hidden.

The probability of what is shown is a polynomial in the evidence, `evidence[t, v]`: how likely the shown token is if the
true token at position t is v. In each row it is linear, so its gradient holds the posterior of every hidden token at
once: p(token at t is v | all that is shown) = evidence[t, v] * d log P / d evidence[t, v] (Darwiche 2003, section 3).
One pass forward, one back, as in training.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bertmini.config import InputError
from bertmini.microworld.grammar import SEGMENT, Grammar

# The likelihood of a sentence for every state that could have told it: (values of variable 1, of variable 2, ...), with
# size 1 where a variable does not count.
Likelihood = dict[int, Tensor]
UNTOLD = "cannot come from the grammar's stories; give text that it tells"


class Form(NamedTuple):
    """A template with a length for each slot, so that every token has its place."""

    states: dict[int, float]  # the states that tell the template, each with the probability that it does
    fixed: tuple[list[int], list[int]]  # positions and token ids of the words outside slots
    slots: list[tuple[str, int, Tensor, Tensor]]  # name, position, phrases (n, tokens), table (values, n)
    names: list[str | None]  # the slot, by position


class Prediction(NamedTuple):
    probabilities: Tensor  # (P, V), float64: of every token at every position asked for
    is_random: float  # the probability that the second segment comes from another story


class Floor:
    """Exact inference in a grammar's language, for instances as `window_pairs` builds them."""

    def __init__(self, grammar: Grammar):
        self.grammar, self.tokenizer = grammar, grammar.tokenizer
        self.variables = list(grammar.hidden)
        self.forms: dict[int, list[Form]] = {}
        for template, states in self.templates().items():
            for form in self.forms_of(template, states):
                self.forms.setdefault(len(form.names), []).append(form)
        self.allowed = {length: self.tokens_allowed(forms) for length, forms in self.forms.items()}
        self.prior = 1 / np.prod([len(values) for values in grammar.hidden.values()])

    # --- sentences

    def templates(self) -> dict[str, dict[int, float]]:
        """Every template once, with the states that tell it and the probability that each of them does."""
        result: dict[str, dict[int, float]] = {}
        for number, state in enumerate(self.grammar.states):
            for template, count in Counter(state.templates).items():
                result.setdefault(template, {})[number] = count / len(state.templates)
        return result

    def forms_of(self, template: str, states: dict[int, float]) -> Iterator[Form]:
        """All forms of a template."""
        forms = [([], [], [], [])]  # positions and ids outside slots, slots, names
        for choices, name in self.grammar.parts(template):
            longer = []
            for positions, ids, slots, names in forms:
                at = len(names)
                for size in sorted({len(choice) for choice in choices}):
                    these = [i for i, choice in enumerate(choices) if len(choice) == size]
                    phrases = torch.tensor([choices[i] for i in these])
                    if name is None:
                        fixed, slot = (list(range(at, at + size)), choices[0]), []
                    else:
                        table = torch.from_numpy(self.grammar.slots[name].table[:, these])
                        fixed, slot = ([], []), [(name, at, phrases, table)]
                    longer.append((positions + fixed[0], ids + fixed[1], slots + slot, names + [name] * size))
            forms = longer
        for positions, ids, slots, names in forms:
            yield Form(states, (positions, ids), slots, names)

    def tokens_allowed(self, forms: list[Form]) -> np.ndarray:
        """(forms, length, V) bool: the tokens that can stand at each place."""
        table = np.zeros((len(forms), len(forms[0].names), len(self.tokenizer)), bool)
        for row, form in zip(table, forms, strict=True):
            row[form.fixed] = True
            for _, at, phrases, _ in form.slots:
                for k in range(phrases.shape[1]):
                    row[at + k, phrases[:, k]] = True
        return table

    def possible(self, evidence: Tensor) -> list[Form]:
        """The forms that could have given a sentence of as many tokens as evidence has rows."""
        length = len(evidence)
        if length not in self.forms:
            return []
        shown = evidence.detach().numpy() > 0
        fits = (self.allowed[length] & shown).any(-1).all(-1)
        return [self.forms[length][i] for i in np.flatnonzero(fits)]

    def sentence(self, evidence: Tensor) -> Likelihood:
        """evidence: (tokens of the sentence, V) -> the likelihood under each state that allows it."""
        result: Likelihood = {}
        for form in self.possible(evidence):
            likelihood = self.along(evidence[form.fixed].prod(), None)
            for name, at, phrases, table in form.slots:
                by_phrase = evidence[torch.arange(at, at + phrases.shape[1]), phrases].prod(-1)
                by_value = table @ by_phrase  # (values,) or (1,)
                likelihood = likelihood * self.along(by_value, self.grammar.slots[name].variable)
            for state, probability in form.states.items():
                result[state] = result.get(state, 0.0) + probability * likelihood
        return result

    def along(self, values: Tensor, variable: str | None) -> Tensor:
        """Lay a vector along its variable's axis."""
        shape = [1] * len(self.variables)
        if variable is not None:
            shape[self.variables.index(variable)] = len(values)
        return values.view(shape)

    # --- windows

    @cache  # noqa: B019  (one Floor lives as long as its grammar)
    def edges(self, before: int, after: int) -> np.ndarray:
        """(Q, Q): the weight of a window's shown part that runs from one state to another.

        `before` sentences of the window come before the part and `after` follow it. The part's probability is this
        times the transitions inside: the sum over the window's start and the story's end.
        """
        reach, transitions = self.grammar.reach, self.grammar.transitions
        remaining = [1 - transitions.sum(1)]  # remaining[n][q]: the probability that n sentences more follow state q
        while (row := transitions @ remaining[-1]).any():
            remaining.append(row)
        table = np.zeros_like(transitions)
        for earlier in range(len(reach) - before):  # sentences of the story before the window, and after it
            for later in range(len(remaining) - after):
                starts = earlier + later + 1  # a window of this size fits in so many ways, all equally likely
                table += np.outer(reach[earlier + before], remaining[later + after]) / starts
        return table

    def part(self, sentences: Sequence[Likelihood], before: int = 0, after: int = 0) -> Tensor:
        """The probability of consecutive sentences of a window: the forward algorithm over the chain of states."""
        messages = {(q, q): likelihood for q, likelihood in sentences[0].items()}  # (first state, last state)
        for sentence in sentences[1:]:
            longer: dict[tuple[int, int], Tensor] = {}
            for (first, q), message in messages.items():
                for r, likelihood in sentence.items():
                    if p := self.grammar.transitions[q, r]:
                        longer[first, r] = longer.get((first, r), 0.0) + p * message * likelihood
            messages = longer
        edges = self.edges(before, after)
        shape = tuple(len(values) for values in self.grammar.hidden.values())
        total = torch.zeros((), dtype=torch.float64)
        for (first, last), message in messages.items():
            if edges[first, last]:
                missing = np.prod([n for n, m in zip(shape, message.shape, strict=True) if m == 1])
                total = total + edges[first, last] * self.prior * missing * message.sum()
        return total

    def cuts(self, evidence: Tensor) -> list[list[Likelihood]]:
        """The ways to read a segment as one whole sentence or two."""
        stop = self.tokenizer.vocab["."]
        ends = [k for k in (evidence[:, stop] > 0).nonzero()[:, 0].tolist() if k < len(evidence) - 1]
        readings = [[evidence], *([evidence[: k + 1], evidence[k + 1 :]] for k in ends)]
        read = ([self.sentence(part) for part in reading] for reading in readings)
        return [sentences for sentences in read if all(sentences)]

    def likelihood(self, first: list[list[Likelihood]], second: list[list[Likelihood]]) -> Tensor:
        """(2,): the probability of what is shown and that the second segment follows, or is random."""
        follows, random = [], []
        for one in first:
            for two in second:
                share = SEGMENT[len(one) - 1] * SEGMENT[len(two) - 1] / 2  # the numbers of sentences, the label
                follows.append(share * self.part(one + two))
                random.append(share * self.part(one, after=len(two)) * self.part(two, before=len(one)))
        if not follows or not sum(follows) + sum(random) > 0:
            raise InputError(f"these segments {UNTOLD}")
        return torch.stack([sum(follows), sum(random)])

    # --- predictions

    def evidence(self, token_ids: Sequence[int], positions: Sequence[int]) -> Tensor:
        """(T, V): visible tokens are true; at `positions`, [MASK] says nothing, and another token little."""
        size = len(self.tokenizer)
        table = torch.zeros(len(token_ids), size, dtype=torch.float64)
        table[torch.arange(len(token_ids)), torch.as_tensor(token_ids)] = 1.0
        for t in positions:
            # Kept with 10%, replaced by one of V with 10%: the likelihood is in proportion to [y = x] + 1/V.
            table[t] = 1.0 if token_ids[t] == self.tokenizer.mask_id else table[t] + 1 / size
        return table

    def segments(self, segment_ids: Sequence[int]) -> tuple[slice, slice]:
        """Where the two segments' own tokens are, without [CLS] and [SEP]."""
        split = list(segment_ids).index(1)
        return slice(1, split - 1), slice(split, len(segment_ids) - 1)

    def best_prediction(
        self, token_ids: Sequence[int], segment_ids: Sequence[int], positions: Sequence[int]
    ) -> Prediction:
        """What the best player knows about the tokens at `positions`, given all shown tokens and where it has to guess.

        token_ids, segment_ids: (T,), without padding. Tokens elsewhere are taken as true.
        """
        evidence = self.evidence(token_ids, positions).requires_grad_()
        first, second = self.segments(segment_ids)
        joint = self.likelihood(self.cuts(evidence[first]), self.cuts(evidence[second]))
        posterior = posteriors(joint.sum(), evidence)[list(positions)]
        return Prediction(posterior, float((joint[1] / joint.sum()).detach()))

    def own_sentence(self, evidence: Tensor, before: int, after: int) -> Tensor:
        """(tokens, V): what a player knows about every token who sees one sentence, and its place in the window."""
        evidence = evidence.detach().requires_grad_()
        return posteriors(self.part([self.sentence(evidence)], before, after), evidence)

    def order(self, token_ids: Sequence[int], segment_ids: Sequence[int], positions: Sequence[int]) -> float:
        """The probability that two segments which follow each other, in one order or the other, stand in this one."""
        evidence = self.evidence(token_ids, positions)
        first, second = (self.cuts(evidence[segment]) for segment in self.segments(segment_ids))
        pairs = [(one, two, SEGMENT[len(one) - 1] * SEGMENT[len(two) - 1]) for one in first for two in second]
        right = sum(share * self.part(one + two) for one, two, share in pairs)
        wrong = sum(share * self.part(two + one) for one, two, share in pairs)
        if not right + wrong > 0:
            raise InputError(f"these segments, in either order, {UNTOLD}")
        return float(right / (right + wrong))

    # --- what a true text is made of

    def reading(self, true_ids: Sequence[int]) -> list[str | None]:
        """The slot that each token of a true sentence fills, None outside slots; of several readings, the first."""
        ids = torch.as_tensor(true_ids)
        for form in self.possible(self.evidence(true_ids, ())):
            if all((phrases == ids[at : at + phrases.shape[1]]).all(1).any() for _, at, phrases, _ in form.slots):
                return form.names
        raise InputError(f"this sentence {UNTOLD}")


def posteriors(total: Tensor, evidence: Tensor) -> Tensor:
    """(T, V): p(token at t is v | all that is shown), where `total` is the probability of what is shown."""
    (gradient,) = torch.autograd.grad(total.log(), evidence)
    return gradient * evidence.detach()
