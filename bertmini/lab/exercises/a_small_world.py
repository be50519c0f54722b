"""The exercises of notebooks/00_a_small_world.ipynb."""

import math

from bertmini.lab.check import Exercise, Mistake

# ---- From chances to a loss ----

mean_loss = Exercise(
    right=lambda chances: sum(-math.log(p) for p in chances) / len(chances),
    cases=[([1.0, 0.5],), ([0.25, 0.25, 0.25],), ([0.9, 0.01, 1.0, 0.2],)],
    where="Look at the order of the two steps: first a loss for each chance, then their mean.",
    what="Each chance p costs -math.log(p). Add these up and divide by how many there are.",
    line="return sum(-math.log(p) for p in chances) / len(chances)",
    mistakes=[
        Mistake(
            wrong=lambda chances: -math.log(sum(chances) / len(chances)),
            where="Look at what you average: chances, or losses?",
            what="You take the mean of the chances and then one logarithm. One bad guess must be able to hurt: "
            "take the logarithm of each, then the mean.",
        ),
        Mistake(
            wrong=lambda chances: sum(math.log(p) for p in chances) / len(chances),
            where="Look at the sign.",
            what="The logarithm of a chance is negative or zero. The loss is minus that.",
        ),
        Mistake(
            wrong=lambda chances: sum(-math.log(p) for p in chances),
            where="Look at how the loss grows with the number of guesses.",
            what="This is the sum, the loss of all guesses together. Divide by how many there are.",
        ),
        Mistake(
            wrong=lambda chances: sum(-math.log2(p) for p in chances) / len(chances),
            where="Look at the unit.",
            what="log2 gives bits. Nats come from the natural logarithm, math.log.",
        ),
    ],
)

# ---- One perplexity from those of several tests ----

perplexity = Exercise(
    right=lambda tests: math.exp(sum(n * math.log(p) for p, n in tests) / sum(n for _, n in tests)),
    cases=[([(10, 100), (40, 100)],), ([(10, 300), (40, 100)],), ([(2, 50)],), ([(1, 10), (8, 20), (64, 10)],)],
    where="Look at what may be added: losses may, perplexities may not.",
    what="The logarithm of a perplexity is a mean loss; times the number of words it is the loss of the whole test. "
    "Add these, divide by all the words, and take e to the power of the result.",
    line="loss = sum(words * math.log(p) for p, words in tests)\n"
    "return math.exp(loss / sum(words for _, words in tests))",
    mistakes=[
        Mistake(
            wrong=lambda tests: sum(n * p for p, n in tests) / sum(n for _, n in tests),
            where="Look at what you average: perplexities, or losses?",
            what="This is the mean of the perplexities. Go back to losses with math.log, average these, then math.exp.",
        ),
        Mistake(
            wrong=lambda tests: sum(p for p, _ in tests) / len(tests),
            where="Look at what you average, and at the numbers of words.",
            what="This is the plain mean of the perplexities. Average the losses, and weigh each by its words.",
        ),
        Mistake(
            wrong=lambda tests: math.exp(sum(math.log(p) for p, _ in tests) / len(tests)),
            where="Look at two tests of different lengths.",
            what="You give every test the same weight. A test of 300 words weighs three times one of 100.",
        ),
        Mistake(
            wrong=lambda tests: sum(n * math.log(p) for p, n in tests) / sum(n for _, n in tests),
            where="Look at the last step.",
            what="This is the mean loss, in nats. The perplexity is math.exp of it.",
        ),
        Mistake(
            wrong=lambda tests: math.prod(p for p, _ in tests),
            where="Look at one test by itself: its perplexity should come out unchanged.",
            what="Chances multiply, but a perplexity is already an average. Turn it into a loss, then average.",
        ),
        *[
            Mistake(  # too large for a float: an error with whole numbers, infinity with others
                wrong=lambda tests, kind=kind: (
                    math.prod(kind(p) ** n for p, n in tests) ** (1 / sum(n for _, n in tests))
                ),
                where="Look at the size of your product: 10 to the power of 300 and more.",
                what="On paper this is right, but so large a number fits into no float. Add logarithms instead.",
            )
            for kind in (int, float)
        ],
    ],
)

# ---- Two signs ----


def next_is_good(signs: list[str], good: tuple[str, ...] = ("hooray", "sun", "jig")) -> float:
    likely = [math.prod(0.8 if (sign in good) == mood else 0.2 for sign in signs) for mood in (True, False)]
    p = likely[0] / sum(likely)
    return 0.8 * p + 0.2 * (1 - p)


def chance_of_good(signs: list[str]) -> float:
    likely = [
        math.prod(0.8 if (sign in ("hooray", "sun", "jig")) == mood else 0.2 for sign in signs)
        for mood in (True, False)
    ]
    return likely[0] / sum(likely)


next_sign = Exercise(
    right=next_is_good,
    cases=[(["hooray"],), (["hooray", "sun"],), (["hooray", "fog"],), (["alas", "fog", "dirge"],), ([],)],
    where="Look at the two steps: the chance of a good mood first, then what that mood, or the other one, shows next.",
    what="Multiply 0.8 or 0.2 for each sign, once as if the mood were good, once as if it were bad; divide by the sum "
    "of the two. Then a good sign comes with 0.8 in a good mood and with 0.2 in a bad one.",
    line="good = math.prod(0.8 if s in ('hooray', 'sun', 'jig') else 0.2 for s in signs)\n"
    "bad = math.prod(0.2 if s in ('hooray', 'sun', 'jig') else 0.8 for s in signs)\n"
    "p = good / (good + bad)\n"
    "return 0.8 * p + 0.2 * (1 - p)",
    mistakes=[
        Mistake(
            wrong=chance_of_good,
            where="Look at the question: is it about the mood, or about the next sign?",
            what="This is the chance that the mood is good. Even then a good sign comes only four times in five.",
        ),
        Mistake(
            wrong=lambda signs: math.prod(0.8 if s in ("hooray", "sun", "jig") else 0.2 for s in signs),
            where="Look at the sum over both moods: do your two chances add up to one?",
            what="This is how likely the signs are in a good mood. Compare it with the bad one: good / (good + bad).",
        ),
        Mistake(
            wrong=lambda signs: 0.8 if sum(s in ("hooray", "sun", "jig") for s in signs) * 2 > len(signs) else 0.2,
            where="Look at one sign against two: are you as sure after one as after two?",
            what="You let the majority decide and forget how sure it is. Weigh both moods by their chances.",
        ),
    ],
)

# ---- What a wrong belief costs ----

expected_loss = Exercise(
    right=lambda truth, said: sum(-p * math.log(q) for p, q in zip(truth, said, strict=True) if p > 0),
    cases=[
        ([0.8, 0.2], [0.8, 0.2]),
        ([0.8, 0.2], [0.5, 0.5]),
        ([0.25] * 4, [0.7, 0.1, 0.1, 0.1]),
        ([1.0, 0.0], [0.9, 0.0]),
    ],
    where="Look at each word by itself: with what chance does it come, and what does it cost then?",
    what="A word comes with chance p and then costs -log q. Add that up, and leave out the words with p = 0.",
    line="return sum(-p * math.log(q) for p, q in zip(truth, said) if p > 0)",
    mistakes=[
        Mistake(
            wrong=lambda truth, said: sum(-p * math.log(q) for p, q in zip(truth, said, strict=True)),
            where="Look at the last case, in which a word never comes.",
            what="It was given 0, and math.log(0) is an error. What never comes is never paid: leave it out.",
        ),
        Mistake(
            wrong=lambda truth, said: sum(-q * math.log(p) for p, q in zip(truth, said, strict=True) if q > 0),
            where="Look at which of the two is the truth and which is what the player says.",
            what="You have them the wrong way round: things come with p, and what was said is q.",
        ),
        Mistake(
            wrong=lambda truth, said: sum(-math.log(q) for q in said if q > 0) / len(said),
            where="Look for the truth in your line.",
            what="You give every word the same weight. A word weighs as much as the chance with which it comes.",
        ),
        Mistake(
            wrong=lambda truth, said: sum(-p * math.log(p) for p in truth if p > 0),
            where="Look for what the player says in your line.",
            what="This is the entropy, the cost of an honest player. Here the player says q.",
        ),
        Mistake(
            wrong=lambda truth, said: sum(p * math.log(q) for p, q in zip(truth, said, strict=True) if p > 0),
            where="Look at the sign.",
            what="The logarithm of a chance is negative or zero. The loss is minus that.",
        ),
        Mistake(
            wrong=lambda truth, said: sum(p * math.log(p / q) for p, q in zip(truth, said, strict=True) if p > 0),
            where="Look at a player who says the truth: is it free?",
            what="This is what is paid more than the entropy. Asked for is all that is paid.",
        ),
    ],
)
