"""The game of notebooks/00_a_small_world.ipynb: a reader guesses hidden words, and pays as a model does."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import ipywidgets
import numpy as np

from bertmini.lab.widgets import spoken
from bertmini.microworld import Floor
from bertmini.microworld.measure import rows, sample

GAP = "____"


class Blank(NamedTuple):
    """Two snippets with one token hidden, and what the best player knows about it."""

    text: str  # "first / second", ____ where the token stood
    answer: str
    token_ids: list[int]  # [CLS] first [SEP] second [SEP], with [MASK]
    segment_ids: list[int]
    place: int  # of [MASK]
    best: dict[str, float]  # token -> the best player's chance, likeliest first


def blanks(floor: Floor, count: int, seed: int) -> list[Blank]:
    """Pairs of snippets of fresh stories, as the model is shown them, with one token hidden in each.

    In half of the pairs the second snippet continues the story of the first, in the other half it is another's.
    """
    tokenizer, found = floor.tokenizer, []
    for shown, segment_ids, positions, labels, _ in rows(sample(floor.grammar, count, seed)):
        place = int(positions[len(positions) // 2])
        token_ids = shown.copy()
        token_ids[positions] = labels
        answer = tokenizer.tokens[token_ids[place]]
        token_ids[place] = tokenizer.mask_id
        chances = floor.best_prediction(token_ids, segment_ids, [place]).probabilities[0].numpy()
        best = {tokenizer.tokens[i]: float(chances[i]) for i in np.argsort(-chances) if chances[i] > 0}
        first, second, _ = " ".join(tokenizer.tokens[i] for i in token_ids[1:]).split("[SEP]")
        text = f"{first.strip()} / {second.strip()}".replace("[MASK]", GAP).replace(" ##", "")
        found.append(Blank(text, answer, token_ids.tolist(), segment_ids.tolist(), place, best))
    return found


def chance(word: str, sure: float, answer: str, frequency: Mapping[str, float]) -> float:
    """The chance that a reader gives to the true word who says a word and how sure he is of it (0 to 1).

    What is not given to the word is spread over all the others, by their frequency.
    """
    return sure if word == answer else (1 - sure) * frequency[answer] / (1 - frequency.get(word, 0.0))


def guessing_game(played: Sequence[Blank], frequency: Mapping[str, float]) -> ipywidgets.VBox:
    """Choose a blank, type a word and how sure you are; the answer, both losses, and the means so far."""
    style, layout = {"description_width": "9em"}, {"width": "22em"}
    number = ipywidgets.BoundedIntText(1, 1, len(played), description="blank number", style=style, layout=layout)
    word = ipywidgets.Text("", description="your word", style=style, layout=layout)
    sure = ipywidgets.BoundedIntText(50, 1, 99, description="how sure, %", style=style, layout=layout)
    button = ipywidgets.Button(description="answer")
    text, readout = ipywidgets.HTML(), ipywidgets.HTML(spoken("Nothing is answered yet."))
    paid: dict[int, tuple[float, float]] = {}  # blank -> what the reader and the best player paid

    def show(_change: object = None) -> None:
        text.value = spoken(played[number.value - 1].text)

    def answer(_button: object = None) -> None:
        blank, said = played[number.value - 1], word.value.strip().lower()
        if not said:
            readout.value = spoken("Type a word first.")
            return
        yours = -math.log(chance(said, sure.value / 100, blank.answer, frequency))
        best = -math.log(blank.best[blank.answer])
        first = paid.setdefault(number.value, (yours, best))  # a second try does not count: the answer is known
        means = [sum(column) / len(paid) for column in zip(*paid.values(), strict=True)]
        readout.value = spoken(
            f"There stood: {blank.answer}. You pay {yours:.2f} nats"
            + (".\n" if first == (yours, best) else "; your first answer counts.\n")
            + f"The best player gave it {blank.best[blank.answer]:.0%} and pays {best:.2f}.\n"
            f"Answered {len(paid)}: you {means[0]:.2f} nats a word, the best player {means[1]:.2f}."
        )

    number.observe(show, "value")
    button.on_click(answer)
    show()
    whole = ipywidgets.VBox([number, text, word, sure, button, readout])
    whole.controls = {"number": number, "word": word, "sure": sure, "answer": button}
    whole.text, whole.readout = text, readout
    return whole
