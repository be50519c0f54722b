"""The grammar of the microworld: every mistake in a file is named in one line, and the book's world keeps its word."""

from collections import Counter, defaultdict
from itertools import chain, islice

import numpy as np
import pytest

from bertmini import InputError, Tokenizer
from bertmini.microworld import Grammar, stories
from bertmini.microworld.grammar import LONGEST_SENTENCE, MAX_LENGTH, MOST_STATES, SLOT, WINDOW
from bertmini.wordpiece import SPECIAL_TOKENS

SMALL = """
[hidden]
town = ["new haven", "port"]
topic = ["river", "woods", "game"]

[slots]
who = ["mara", "otto"]
country = { town = { "new haven" = "norland", port = "westmark" } }

[slots.place.topic]
river = { boathouse = 0.75, ford = 0.25 }
woods = ["ford", "glade"]
game = "pitch"

[scenes.dawn]
next = { work = 0.75, walk = 0.25 }
first = ["{who} wakes in {town} .", "at dawn all {topic} is still ."]

[scenes.work]
again = 0.2
next = { dusk = 1.0 }
first = ["{who} rests at the {place} ."]

[scenes.walk]
again = 1.0
next = "dusk"
first = ["{who} walks to {country} ."]
second = ["{who} walks on .", "{who} walks back ."]

[scenes.dusk]
again = 0.5
first = ["all sleep ."]

[pieces]
boathouse = ["boat", "##house"]

[phenomena]
fact = ["norland", "{town}"]
"""


@pytest.fixture
def small(monkeypatch):
    """Stories of three sentences are long enough, so that the small grammar can be a small one."""
    monkeypatch.setattr("bertmini.microworld.grammar.WINDOW", 3)


def load(tmp_path, text: str) -> Grammar:
    path = tmp_path / "world.toml"
    path.write_text(text, encoding="utf-8")
    return Grammar.load(path)


# --- a grammar, read


def test_slots_by_hand(tmp_path, small):
    """A list is equally likely; a row can be a table, a list or one phrase; a hidden variable is a slot of its own."""
    slots = load(tmp_path, SMALL).slots
    assert list(slots) == ["town", "topic", "who", "country", "place"]
    assert (slots["who"].phrases, slots["who"].table.tolist(), slots["who"].variable) == (
        ("mara", "otto"), [[0.5, 0.5]], None
    )  # fmt: skip
    assert (slots["town"].phrases, slots["town"].table.tolist(), slots["town"].variable) == (
        ("new haven", "port"), [[1, 0], [0, 1]], "town"
    )  # fmt: skip
    assert (slots["place"].phrases, slots["place"].table.tolist(), slots["place"].variable) == (
        ("boathouse", "ford", "glade", "pitch"), [[0.75, 0.25, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 1]], "topic"
    )  # fmt: skip


def test_the_chain_by_hand(tmp_path, small):
    """Two states a scene: 0 and 1 dawn, 2 and 3 work, 4 and 5 walk, 6 and 7 dusk."""
    grammar = load(tmp_path, SMALL)
    assert [state.scene for state in grammar.states] == [s for s in ("dawn", "work", "walk", "dusk") for _ in range(2)]
    assert [state.next for state in grammar.states] == [
        {2: 0.75, 4: 0.25},
        {2: 0.75, 4: 0.25},
        {3: 0.2, 6: 0.8},
        {6: 1.0},
        {5: 1.0},
        {6: 1.0},
        {7: 0.5},
        {},
    ]
    assert grammar.states[2].templates == grammar.states[3].templates, "without `second`, a scene repeats its `first`"
    assert grammar.states[5].templates == ("{who} walks on .", "{who} walks back .")


def test_transitions_reach_and_lengths_by_hand(tmp_path, small):
    """Of three sentences: dawn, work, dusk, 0.75 * 0.8 * 0.5 = 0.3. Of five: 0.75 * 0.2 * 0.5 + 0.25 * 0.5 = 0.2."""
    grammar = load(tmp_path, SMALL)
    assert grammar.transitions.shape == (8, 8)
    assert grammar.transitions[2].tolist() == [0, 0, 0, 0.2, 0, 0, 0.8, 0]
    np.testing.assert_allclose(grammar.transitions.sum(1), [1, 1, 1, 1, 1, 1, 0.5, 0])
    np.testing.assert_allclose(grammar.reach[0], [1, 0, 0, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(grammar.reach[1], [0, 0, 0.75, 0, 0.25, 0, 0, 0])
    np.testing.assert_allclose(grammar.reach[2], [0, 0, 0, 0.15, 0, 0.25, 0.6, 0])
    np.testing.assert_allclose(grammar.reach[3], [0, 0, 0, 0, 0, 0, 0.4, 0.3])
    np.testing.assert_allclose(grammar.reach[4], [0, 0, 0, 0, 0, 0, 0, 0.2])
    assert len(grammar.reach) == 5
    assert grammar.lengths() == pytest.approx({3: 0.3, 4: 0.5, 5: 0.2})


def test_words_and_vocabulary_by_hand(tmp_path, small):
    grammar = load(tmp_path, SMALL)
    words = ". all at back boathouse dawn ford game glade haven in is mara new norland on otto pitch port rests river"
    words += " sleep still the to wakes walks westmark woods"
    assert " ".join(grammar.words) == words
    assert grammar.tokenizer.tokens == [
        *SPECIAL_TOKENS, *words.replace("boathouse", "boat").split(), "##house"
    ]  # fmt: skip


# --- mistakes

CASES = [
    # (of SMALL, becomes, key, what is wrong, what to do)
    ('topic = ["river", "woods", "game"]', f"topic = {['a' * (i + 1) for i in range(5001)]}", "hidden",
     "2 x 5001 joint states are more than 10,000", "take a variable or values out"),
    ('who = ["mara", "otto"]', "who = []", "slots.who", "no words", "give at least one"),
    ('who = ["mara", "otto"]', "who = 3", "slots.who", "3 is neither words nor", "give one of these"),
    ('woods = ["ford", "glade"]', "woods = []", "slots.place.topic.woods", "no words", "give at least one"),
    ('woods = ["ford", "glade"]', "woods = {}", "slots.place.topic.woods", "no words", "give at least one"),
    ('who = ["mara", "otto"]', 'who = ["mara", "otto", "mara"]', "slots.who", "a phrase occurs twice",
     "write the probabilities out"),
    ("ford = 0.25", "ford = 0.3", "slots.place.topic.river", "the probabilities sum to 1.05",
     "make them positive and their sum 1"),
    ("boathouse = 0.75, ford = 0.25", "boathouse = 1.25, ford = -0.25", "slots.place.topic.river",
     "no number above 0", "mend it"),
    ('game = "pitch"', "", "slots.place.topic", "one row to each", "river, woods, game"),
    ('game = "pitch"', 'game = "pitch"\nmarket = "stall"', "slots.place.topic", "one row to each",
     "river, woods, game"),
    ("country = { town = {", 'country = { topic = "x", town = {', "slots.country", "depends on topic, town",
     "name exactly one of town, topic"),
    ("country = { town = {", "country = { city = {", "slots.country", "depends on city",
     "name exactly one of town, topic"),
    ('who = ["mara", "otto"]', "who = {}", "slots.who", "depends on nothing", "name exactly one of town, topic"),
    ("all sleep .", "all {nap} .", "scenes.dusk.first", "unknown slot {nap} in 'all {nap} .'", "add it to [slots]"),
    ("{who} walks on .", "{who} walks {on} .", "scenes.walk.second", "unknown slot {on}", "add it to [slots]"),
    ('first = ["all sleep ."]', "first = []", "scenes.dusk.first", "no list of templates", "in square brackets"),
    ('first = ["all sleep ."]', "", "scenes.dusk.first", "no list of templates", "in square brackets"),
    ('first = ["all sleep ."]', 'first = "all sleep ."', "scenes.dusk.first", "no list of templates", "at least one"),
    ('first = ["all sleep ."]', 'first = ["all sleep .", " "]', "scenes.dusk.first", "a template without words",
     "at least a word"),
    ('first = ["all sleep ."]', "first = [3]", "scenes.dusk.first", "a template without words", "at least a word"),
    ('"{who} walks back ."', '""', "scenes.walk.second", "a template without words", "at least a word"),
    ("all sleep .", "all sleep", "scenes.dusk.first", "'all sleep' must be words", "its only full stop"),
    ("all sleep .", "all . sleep .", "scenes.dusk.first", "must be words and end with ' .'", "its only full stop"),
    ("{who} rests at the {place} .", "the {place} , the {place} , the {place} and all {who} rest .",
     "scenes.work.first", "can have 16 tokens", "at most 15, so shorten it"),
    ("again = 0.2", "again = 1.5", "scenes.work.again", "1.5 is no probability", "a number from 0 to 1"),
    ("again = 0.2", "again = -0.1", "scenes.work.again", "-0.1 is no probability", "a number from 0 to 1"),
    ("again = 0.2", 'again = "often"', "scenes.work.again", "'often' is no probability", "a number from 0 to 1"),
    ('next = "dusk"', 'next = "dawn"', "scenes.walk.next", "'dawn' is no later scene", "only runs forward"),
    ('next = "dusk"', 'next = "walk"', "scenes.walk.next", "'walk' is no later scene", "only runs forward"),
    ('next = "dusk"', 'next = "night"', "scenes.walk.next", "'night' is no later scene", "only runs forward"),
    ("walk = 0.25 }", "walk = 0.2 }", "scenes.dawn.next", "the probabilities sum to 0.95", "their sum 1"),
    ("next = { dusk = 1.0 }", "", "scenes", "a story can be 2 sentences long; 3 are needed", "add scenes to its path"),
    ('["boat", "##house"]', '["boat", "house"]', "pieces", "'boathouse' is read as ", "not boat house; change"),
    ("all sleep .", "a boatho .", "pieces", "'boathouse' is read as ", "not boat ##house; change a word"),
    ("all sleep .", "All sleep .", "scenes.dusk.first", "'All' in 'All sleep .' is no word", "use small letters"),
    ("all sleep .", "all don't sleep .", "scenes.dusk.first", '"don\'t" in ', "use small letters"),
    ("all sleep .", "all [MASK] .", "scenes.dusk.first", "'[MASK]' in 'all [MASK] .' is no word", "use small letters"),
    ("all sleep .", "all sleep.", "scenes.dusk.first", "must be words and end with ' .'", "its only full stop"),
    ("all sleep .", ".", "scenes.dusk.first", "must be words and end with ' .'", "its only full stop"),
    ('who = ["mara", "otto"]', 'who = ""', "slots.who", "a phrase must be words", "single spaces"),
    ('who = ["mara", "otto"]', 'who = ["mara  b"]', "slots.who", "a phrase must be words", "single spaces"),
    ('who = ["mara", "otto"]', "who = [1, 2]", "slots.who", "a phrase must be words", "single spaces"),
    ('topic = ["river", "woods", "game"]', "topic = 3", "hidden.topic", "different values", "small letters"),
    ('topic = ["river", "woods", "game"]', "topic = []", "hidden.topic", "different values", "small letters"),
    ('who = ["mara", "otto"]', 'topic = ["mara"]', "slots.topic", "a hidden variable has this name", "take another"),
    ("[slots]", "[slot]\nx = 1\n[slots]", "slot", "unknown", "the sections are hidden"),
    ("all sleep .", "all sleep .\"]\nagian = 0.5\nsecond = [\"all sleep .", "scenes.dusk",
     "write a table with again", "nothing else"),
    ("boathouse = [", "boathuose = [", "pieces.boathuose", "no word of the grammar", "mend it"),
    ("again = 0.2", "again = 0\nsecond = [\"all sleep .\"]", "scenes.work.second", "never told", "leave `second` out"),
    ("next = { work = 0.75, walk = 0.25 }", 'next = "work"', "scenes.walk", "no story comes here", "an earlier `next`"),
    ("next = { dusk = 1.0 }", "next = 0", "scenes.work.next", "0 is neither words nor", "give one of these"),
    ("next = { dusk = 1.0 }", "next = { dusk = true }", "scenes.work.next", "no number above 0", "mend it"),
    ('who = ["mara", "otto"]', 'who = ["mara", "otto"]\n"my who" = ["mara"]', "slots.my who", "letters, digits and _",
     "rename it"),
    ('who = ["mara", "otto"]', 'who = { mara = 0.8, otto = "0.2" }', "slots.who", "other things are mixed",
     "without quotes"),
    ('"norland", "{town}"', '"boathouse"', "phenomena.fact", "boathouse is cut into pieces", "a whole word"),
    ('fact = ["norland", "{town}"]', 'piece = ["norland"]', "phenomena.piece", "this name stands for", "take another"),
    ('"norland", "{town}"', '"gotham"', "phenomena.fact", "gotham is neither", "a {slot} of the grammar"),
    ('"norland", "{town}"', '"{city}"', "phenomena.fact", "{city} is neither", "a {slot} of the grammar"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "key", "wrong", "advice"), CASES, ids=[f"{c[2]} {c[3][:30]} {i}" for i, c in enumerate(CASES)]
)
def test_a_mistake_is_one_line_with_file_key_and_what_to_do(tmp_path, small, old, new, key, wrong, advice):
    assert SMALL.count(old) == 1, "the mistake is made once"
    with pytest.raises(InputError) as caught:
        load(tmp_path, SMALL.replace(old, new))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'world.toml'}, {key}: "), message
    assert wrong in message and advice in message.split(wrong)[1], message
    assert "\n" not in message


def test_a_sentence_of_15_tokens_is_short_enough(tmp_path, small):
    long = "the {place} , the {place} , the {place} and {who} rest ."
    assert len(load(tmp_path, SMALL.replace("{who} rests at the {place} .", long)).states) == 8


def test_a_slot_stands_alone(tmp_path, small):
    with pytest.raises(
        InputError, match=r"world\.toml.*'\{who\}s' in 'all \{who\}s sleep \.' is no word; .*spaces around"
    ):
        load(tmp_path, SMALL.replace("all sleep .", "all {who}s sleep ."))


def test_a_slot_that_depends_on_what_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"slots\.who: depends on name; name exactly one of the hidden .* none yet"):
        load(tmp_path, '[slots]\nwho = { name = { mara = "mara" } }\n')


def test_a_grammar_without_scenes(tmp_path):
    with pytest.raises(InputError, match=r"world\.toml, scenes: none; write at least one"):
        load(tmp_path, "[slots]\nwho = ['mara']\n")


def test_the_window_of_four_needs_four_sentences(tmp_path):
    """The same grammar, without the fixture: its shortest story has three sentences."""
    assert WINDOW == 4
    with pytest.raises(InputError, match=r"scenes: a story can be 3 sentences long; 4 are needed"):
        load(tmp_path, SMALL)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[slots]\nwho = ['caf\xe9']\n", "not UTF-8; save it as UTF-8"),
        (b"[slots]\nwho = ['mara', 'otto'\n\n[scenes.dawn]\n", "not TOML: "),
        (b"[slots]\nwho = ['mara']\nwho = ['otto']\n", "not TOML: "),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path, content, message):
    path = tmp_path / "world.toml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        Grammar.load(path)
    assert str(caught.value).startswith(f"{path}: {message}") and "\n" not in str(caught.value)
    if "TOML" in message:
        assert "line " in str(caught.value) and str(caught.value).endswith("; mend that line")


def test_a_number_that_python_does_not_read(tmp_path):
    """tomllib has no sentence for it, and no line."""
    path = tmp_path / "world.toml"
    path.write_text("[slots]\nwho = 1" + 5000 * "0")
    with pytest.raises(InputError, match=r"not TOML: Exceeds the limit .* 5001 digits"):
        Grammar.load(path)


@pytest.mark.parametrize("name", ["nowhere.toml", "."], ids=["missing", "a folder"])
def test_a_file_that_is_not_there(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(InputError) as caught:
        Grammar.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and message.endswith("; give a grammar file, or none for the book's world")


# --- the book's world


@pytest.fixture(scope="module")
def world():
    return Grammar.load()


@pytest.fixture(scope="module")
def texts(world):
    """The sentences of 5,000 stories."""
    return [story.texts() for story in islice(stories(world, seed=11), 5000)]


def test_its_size(world):
    sizes = [len(values) for values in world.hidden.values()]
    assert np.prod(sizes) <= MOST_STATES == 10_000
    assert 400 <= len(world.words) <= 600
    assert all(len(set(values)) == len(values) >= 2 for values in world.hidden.values())


def test_its_stories_have_five_to_ten_sentences(world, texts):
    lengths = world.lengths()
    assert min(lengths) >= 5 and max(lengths) <= 10
    assert sum(lengths.values()) == pytest.approx(1, abs=1e-12)
    assert {len(sentences) for sentences in texts} <= set(lengths)


def longest(world: Grammar, template: str) -> int:
    """The most tokens that a template can have."""

    def count(phrase: str) -> int:
        return len(world.tokenizer.encode(phrase).tokens) - 2

    slots = [SLOT.fullmatch(word) for word in template.split()]
    return sum(
        max(map(count, world.slots[slot[1]].phrases)) if slot else count(word)
        for slot, word in zip(slots, template.split(), strict=True)
    )


def test_any_window_fits(world):
    """[CLS], four of the longest sentences, two [SEP]."""
    most = max(longest(world, template) for state in world.states for template in state.templates)
    assert most <= LONGEST_SENTENCE == 15
    assert 3 + WINDOW * most <= MAX_LENGTH == 64


def test_its_text_is_read_by_a_standard_vocabulary(world, texts, tmp_path):
    """A vocab.txt as any BERT has it: no [UNK], and only the words of [pieces] have several tokens, theirs."""
    assert world.tokenizer.tokens[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    world.tokenizer.save(tmp_path)
    tokenizer = Tokenizer.from_vocab(tmp_path / "vocab.txt")
    words = sorted(set(" ".join(chain.from_iterable(texts)).split()))
    assert set(words) <= set(world.words)
    asked = " ".join([world.hypothesis, *world.questions.values()]).split()
    others = set(world.words) - set(words)
    assert others <= {*chain.from_iterable(world.hidden.values()), *asked}, "words are for telling"
    for word in words:
        assert tokenizer.encode(word).tokens[1:-1] == world.pieces.get(word, [word])
    for sentences in texts[:200]:
        assert all(tokenizer.unk_id not in encoding.token_ids for encoding in tokenizer.encode_batch(sentences))


def test_its_text_is_lower_case_and_every_sentence_ends(texts):
    for sentence in chain.from_iterable(texts):
        assert sentence == sentence.lower() and sentence.endswith(" .") and sentence.count(".") == 1
        assert "  " not in sentence and "{" not in sentence


def test_its_compounds_share_their_pieces(world):
    """At least ten, and each shares a piece with another."""
    assert len(world.pieces) >= 10
    uses = Counter(chain.from_iterable(world.pieces.values()))
    for word, (first, second) in world.pieces.items():
        assert second.startswith("##") and word == first + second[2:]
        assert word in world.words
        assert max(uses[first], uses[second]) >= 2


def test_its_towns_are_a_ring(world):
    """From a half two ways lead on, and walking them passes every town once."""
    towns = [tuple(town.split()) for town in world.hidden["town"]]
    assert all(len(town) == 2 for town in towns)
    for side in (0, 1):
        assert set(Counter(town[side] for town in towns).values()) == {2}, "two other halves, equally likely"
    assert {a for a, _ in towns}.isdisjoint({b for _, b in towns})
    ring, half = [towns[0]], towns[0][1]
    while True:
        town = next(town for town in towns if half in town and town != ring[-1])
        if town == ring[0]:
            break
        ring.append(town)
        half = town[0] if half == town[1] else town[1]
    assert len(ring) == len(towns) >= 8


def test_half_a_town_does_not_tell_what_the_town_tells(world):
    """p(phrase | half) = p(phrase), 1/2 for each of two countries, in every slot that depends on the town."""
    towns = [tuple(town.split()) for town in world.hidden["town"]]
    told = [slot for name, slot in world.slots.items() if slot.variable == "town" and name != "town"]
    assert world.slots["country"] in told and len(world.slots["country"].phrases) == 2
    for slot in told:
        for half in set(chain.from_iterable(towns)):
            given = slot.table[[half in town for town in towns]].mean(0)
            np.testing.assert_allclose(given, np.full(len(slot.phrases), 1 / len(slot.phrases)), atol=1e-12)


def test_its_moods_are_right_four_times_in_five(world):
    """The right words are those likelier under a mood than under the other."""
    slots = {name: slot for name, slot in world.slots.items() if slot.variable == "mood" and name != "mood"}
    assert len(slots) >= 3
    for name, slot in slots.items():
        for mood in (0, 1):
            right = slot.table[mood] > slot.table[1 - mood]
            assert slot.table[mood, right].sum() == pytest.approx(0.8), name
            assert slot.table[1 - mood, right].sum() == pytest.approx(0.2), name


def senses(world: Grammar) -> tuple[set[str], dict[str, dict[str, np.ndarray]]]:
    """The slots of words with two senses, and word -> later word -> p(both | topic)."""
    named = set(world.phenomena["sense"])
    table: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    names = set()
    for name, slot in world.slots.items():
        for phrase, column in zip(slot.phrases, slot.table.T, strict=True):
            words = phrase.split()
            if len(words) > 1 and {words[0], words[-1]} <= named:
                assert slot.variable == "topic"
                table[words[0]][words[-1]] = column
                names.add(name)
    return names, table


def test_its_words_with_two_senses(world):
    """At least eight; a sense is that of exactly half of the topics, both are equally likely, and it decides a word."""
    _, table = senses(world)
    assert len(table) >= 8
    assert {"bank", "bat", "spring", "seal", "crane", "pitcher", "bark", "net"} <= set(table)
    topics = len(world.hidden["topic"])
    for word, later in table.items():
        assert len(later) == 2, word
        one, two = later.values()
        assert (one > 0).sum() == topics / 2 and ((one > 0) ^ (two > 0)).all(), word
        assert one.sum() == pytest.approx(two.sum()), word
    later_words = list(chain.from_iterable(table.values()))
    assert len(later_words) == len(set(later_words)) == 2 * len(table), "a later word belongs to one sense"
    everywhere = chain(
        (t for state in world.states for t in state.templates),
        chain.from_iterable(slot.phrases for slot in world.slots.values()),
    )
    counts = Counter(chain.from_iterable(text.split() for text in everywhere))
    assert {counts[word] for word in later_words} == {1}, "and occurs nowhere else"


def test_the_clue_to_a_sense_is_far(world):
    """Any other word of its own sentence that tells the topic stands at least four tokens before it."""
    names, table = senses(world)
    for name in names:
        phrases = [phrase.split() for phrase in world.slots[name].phrases]
        assert len({tuple(phrase[1:-1]) for phrase in phrases if phrase[0] in table}) == 1, "the same frame"
    found = 0
    for template in chain.from_iterable(state.templates for state in world.states):
        words = [SLOT.fullmatch(word) for word in template.split()]
        places = [i for i, word in enumerate(words) if word and word[1] in names]
        found += len(places)
        for place in places:
            for other, word in enumerate(words):
                if word and other != place and world.slots[word[1]].variable == "topic":
                    assert place - other >= 4, template
    assert found >= 4


def test_its_order_cues(world):
    """A cue comes before another where no sentence has both and no story tells them the other way round."""
    count = len(world.states)
    after = np.linalg.matrix_power(np.eye(count) + (world.transitions > 0), count) > 0  # [q, r]: r is q or follows it
    after &= ~np.eye(count, dtype=bool)
    reached = world.reach.any(0)

    def states(cue: str) -> list[int]:
        """Where a word or {slot} is told."""
        names = {f"{{{name}}}" for name, slot in world.slots.items() if cue in " ".join(slot.phrases).split()}
        return [
            q
            for q, state in enumerate(world.states)
            if reached[q] and any({cue, *names} & set(template.split()) for template in state.templates)
        ]

    where = {cue: states(cue) for cue in world.phenomena["order"]}
    assert all(where.values())
    pairs = {
        (a, b)
        for a in where
        for b in where
        if after[np.ix_(where[a], where[b])].any()
        and not after[np.ix_(where[b], where[a])].any()
        and set(where[a]).isdisjoint(where[b])
    }
    assert {("dawn", "noon"), ("noon", "dusk"), ("dawn", "dusk"), ("gone", "back")} <= pairs
    assert all(any(cue in pair for pair in pairs) for cue in where)
