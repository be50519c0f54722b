"""The best prediction from the left alone, as a causal model makes it: each token after all those before it."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bertmini.microworld.floor import Floor, Likelihood
from bertmini.microworld.grammar import SEGMENT


class FloorFromTheLeft(Floor):
    """Exact inference for a player who sees the true tokens before a position, and nothing after it."""

    def beginning(self, evidence: Tensor) -> Likelihood:
        """The likelihood of a sentence of which the first tokens are known, and not how many follow."""
        result: Likelihood = {}
        for length in self.forms:
            if length >= len(evidence):
                unknown = torch.ones(length - len(evidence), evidence.shape[1], dtype=torch.float64)
                for state, likelihood in self.sentence(torch.cat([evidence, unknown])).items():
                    result[state] = result.get(state, 0.0) + likelihood
        return result

    def prefix(self, first: Tensor, second: Tensor | None = None) -> float:
        """P(an instance begins with these tokens): of its first segment, or of all of that and of its second."""
        total = 0.0
        whole = [[]] if second is None else self.cuts(first)
        begun = self.begun(first if second is None else second)
        for one in whole:
            for two in begun:
                for more in range(len(SEGMENT) - len(two) + 1):  # sentences that are still to come in this segment
                    share = SEGMENT[len(two) + more - 1]
                    if second is None:
                        total += share * sum(p * self.part(two, after=more + n) for n, p in enumerate(SEGMENT, 1))
                    else:
                        follows = self.part(one + two, after=more)
                        random = self.part(one, after=len(two) + more) * self.part(two, len(one), more)
                        total += share * SEGMENT[len(one) - 1] * (follows + random) / 2
        return float(total)

    def begun(self, evidence: Tensor) -> list[list[Likelihood]]:
        """The ways to read a segment that breaks off: in its first sentence, or in its second."""
        ends = (evidence[:, self.tokenizer.vocab["."]] > 0).nonzero()[:, 0].tolist()
        readings = [[self.beginning(evidence)]]
        for k in ends:
            if k < len(evidence) - 1:
                readings.append([self.sentence(evidence[: k + 1]), self.beginning(evidence[k + 1 :])])
        return [sentences for sentences in readings if all(sentences)]

    def left_nats(self, true_ids: Sequence[int], segment_ids: Sequence[int], position: int) -> float:
        """-log p(the token at a position | all tokens to its left), whether the segment goes on included."""
        evidence = self.evidence(true_ids, ())
        segment = self.segments(segment_ids)[segment_ids[position]]
        first = () if segment.start == 1 else (evidence[self.segments(segment_ids)[0]],)
        if position > segment.start:
            known = self.prefix(*first, evidence[segment.start : position])
        else:  # the first token of a segment: the one before it is complete
            known = self.complete(*first) if first else 1.0
        return -np.log(self.prefix(*first, evidence[segment.start : position + 1]) / known)

    def complete(self, first: Tensor) -> float:
        """P(the first segment is these tokens)."""
        return float(
            sum(
                SEGMENT[len(one) - 1] * p * self.part(one, after=n)
                for one in self.cuts(first)
                for n, p in enumerate(SEGMENT, 1)
            )
        )
