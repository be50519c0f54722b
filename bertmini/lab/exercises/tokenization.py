"""The exercises of notebooks/03_tokenization.ipynb."""

from bertmini.lab.check import Exercise, Mistake
from bertmini.wordpiece import LONGEST_WORD, strip_accents, train_wordpiece, wordpiece

# ---- Cut by eye ----

PIECES = ["un", "##play", "##playa", "##able", "##ble", "##a", "##b", "##l", "##e", "##p", "##y", "u", "##n"]

by_eye = Exercise(
    right=wordpiece("unplayable", {piece: i for i, piece in enumerate(PIECES)}),
    where="Look at the second piece: which of the pieces that fit there is the longest?",
    what="After un, both ##play and ##playa fit. The longer one is taken, whatever it leaves behind.",
    line='["un", "##playa", "##ble"]',
    mistakes=[
        Mistake(
            wrong=["un", "##play", "##able"],
            where="Look at what fits after un. Is ##play the longest?",
            what="That is how a reader of English cuts. The rule knows no English: ##playa is longer than ##play.",
        ),
        Mistake(
            wrong=["un", "playa", "ble"],
            where="Look at the marks.",
            what="The cuts are right. A piece that does not begin a word is another token, written with ##.",
        ),
        Mistake(
            wrong=["##un", "##playa", "##ble"],
            where="Look at the first piece.",
            what="The first piece of a word carries no mark.",
        ),
        Mistake(
            wrong=["u", "##n", "##playa", "##ble"],
            where="Look at the first piece: is there a longer one?",
            what="un is in the vocabulary and longer than u.",
        ),
    ],
)

# ---- Three more merges ----

COAST = {"sea": 5, "ten": 6, "tide": 2, "tea": 3}

merges = Exercise(
    right=list(train_wordpiece(COAST, 21))[18:],  # 5 special tokens, 12 characters, te, and these
    where="Look at the counts after te: which pairs has the first merge changed, and which has it made?",
    what="te ##n has 6, s ##e and ##e ##a have 5, te ##a has 3, all others 2. Join the first, and count again.",
    line='["ten", "se", "sea"]',
    mistakes=[
        Mistake(
            wrong=["ten", "##ea", "sea"],
            where="Look at the second merge, where two pairs have 5.",
            what="s ##e and ##e ##a are equal. The smaller id of the first token decides, and s comes before ##e.",
        ),
        Mistake(
            wrong=["##ea", "##en", "se"],
            where="Look at the counts after the first merge.",
            what="These are the next pairs of the first count. te has taken the e of tea and of ten: count again.",
        ),
        Mistake(
            wrong=["te", "ten", "se"],
            where="Look at where to begin.",
            what="te is there already. Asked for are the three after it.",
        ),
        Mistake(
            wrong=["te##n", "s##e", "se##a"],
            where="Look at the marks.",
            what="The right pairs. When two pieces are joined, the second loses its mark.",
        ),
    ],
)

# ---- Which words are lost ----


def lost(words: list[str], alphabet: str) -> list[str]:
    return [word for word in words if not set(word) <= set(alphabet) or len(word) > LONGEST_WORD]


ABC = "abcdefghiklmnopqrstuvwy"  # of the story: no j, x and z
unknown = Exercise(
    right=lost,
    cases=[
        (["fox", "keeper", "jazz", "lighthouse"], ABC),
        (["wave", "wave\N{SLIGHTLY SMILING FACE}", "7"], ABC),
        (["a" * 100, "a" * 101, "sea"], ABC),
    ],
    where="Look at every character of a word, and at the length of the word.",
    what="A single character outside the alphabet loses the whole word, and so do more than 100 characters.",
    line="return [word for word in words if not set(word) <= set(alphabet) or len(word) > 100]",
    mistakes=[
        Mistake(
            wrong=lambda words, alphabet: [word for word in words if not set(word) <= set(alphabet)],
            where="Look at the longest words.",
            what="The alphabet is not the only rule: a word of more than 100 characters is [UNK] in any case.",
        ),
        Mistake(
            wrong=lambda words, alphabet: [word for word in words if not set(word) & set(alphabet)],
            where="Look at fox: f and o are known.",
            what="You ask for words without any known character. One unknown character is enough.",
        ),
        Mistake(
            wrong=lambda words, alphabet: [w for w in words if not set(w) <= set(alphabet) or len(w) >= LONGEST_WORD],
            where="Look at the word of exactly 100 characters.",
            what="Up to 100 characters a word is cut. The limit takes away what is longer.",
        ),
        Mistake(
            wrong=lambda words, alphabet: [w for w in words if set(w) <= set(alphabet) and len(w) <= LONGEST_WORD],
            where="Look at which words are asked for.",
            what="These are the words that survive. The others are wanted.",
        ),
    ],
)

# ---- Accents that mattered ----


def merged(words: list[str]) -> int:
    return len(set(words)) - len({strip_accents(word).lower() for word in words})


def merged_without_case(words: list[str]) -> int:
    return len(set(words)) - len({strip_accents(word) for word in words})


def merged_case_only(words: list[str]) -> int:
    return len(set(words)) - len({word.lower() for word in words})


def not_set(words: list[str]) -> int:
    return len(words) - len({strip_accents(word).lower() for word in words})


def changed(words: list[str]) -> int:
    return sum(strip_accents(word).lower() != word for word in set(words))


collisions = Exercise(
    right=merged,
    cases=[
        (["Bar", "Bär", "Tor"],),
        (["schon", "schön", "Schön", "rose", "rosé", "Rose"],),
        (["sea", "sea", "tea", "été"],),
    ],
    where="Look at two numbers: how many different words there are before, and how many after.",
    what="Put each word through strip_accents and lower(), collect the results in a set, and compare the sizes.",
    line="return len(set(words)) - len({strip_accents(word).lower() for word in words})",
    mistakes=[
        Mistake(
            wrong=merged_without_case,
            where="Look at schön and Schön.",
            what="You take the accents off and leave the capitals. An uncased tokenizer does both.",
        ),
        Mistake(
            wrong=merged_case_only,
            where="Look at Bar and Bär.",
            what="You lower the case and the accents stay. (NFD only takes ä apart; drop the mark, too.)",
        ),
        Mistake(
            wrong=not_set,
            where="Look at a word that is given twice.",
            what="A repeated word is no loss: count *different* words before, too.",
        ),
        Mistake(
            wrong=changed,
            where="Look at été, which no other word becomes equal to.",
            what="You count the words that change. Asked for is how many fewer different ones remain.",
        ),
    ],
)

# ---- The shortest cut ----


def fewest(word: str, vocab: dict[str, int]) -> int:
    best = [0] + [len(word) + 1] * len(word)  # best[n]: pieces for the first n characters
    for end in range(1, len(word) + 1):
        for start in range(end):
            if ("##" if start else "") + word[start:end] in vocab:
                best[end] = min(best[end], best[start] + 1)
    return best[-1]


def unmarked(word: str, vocab: dict[str, int]) -> int:
    best = [0] + [len(word) + 1] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(end):
            if word[start:end] in vocab:
                best[end] = min(best[end], best[start] + 1)
    return best[-1]


def from_the_right(word: str, vocab: dict[str, int]) -> int:
    number = 0
    while word:
        start = next((s for s in range(len(word)) if ("##" if s else "") + word[s:] in vocab), None)
        if start is None:
            return number + 1
        word, number = word[:start], number + 1
    return number


KEEP = ["keep", "keeps", "##sake", "##a", "##ke", "house", "hou", "##s", "##top", "##etop"]
VOCAB = {piece: i for i, piece in enumerate(KEEP)}

shortest = Exercise(
    right=fewest,
    cases=[("keepsake", VOCAB), ("housetop", VOCAB), ("keep", VOCAB), ("keeps", VOCAB)],
    where="Look at the beginnings of the word: in how few pieces can its first 1, 2, 3, … characters be cut?",
    what="The best for the first `end` characters: one more than for the first `start`, if the rest is a piece.",
    line=(
        "best = [0] + [len(word) + 1] * len(word)\n"
        "for end in range(1, len(word) + 1):\n"
        "    for start in range(end):\n"
        '        if ("##" if start else "") + word[start:end] in vocab:\n'
        "            best[end] = min(best[end], best[start] + 1)\n"
        "return best[-1]"
    ),
    mistakes=[
        Mistake(
            wrong=lambda word, vocab: len(wordpiece(word, vocab)),
            where="Look at keepsake, which begins with keeps and with keep.",
            what="This is the greedy number. A shorter first piece can leave a rest that is one long piece.",
        ),
        Mistake(
            wrong=unmarked,
            where="Look at the pieces inside the word.",
            what="A piece that does not begin the word stands in the vocabulary with ##.",
        ),
        Mistake(
            wrong=from_the_right,
            where="Look at housetop, from both ends.",
            what="Taking the longest from the right is greedy as well. Every place to cut has to be tried.",
        ),
        Mistake(
            wrong=lambda word, vocab: len(word),
            where="Look at pieces of more than one character.",
            what="This is the number of characters, the longest cut there is. The shortest one is wanted.",
        ),
    ],
)
