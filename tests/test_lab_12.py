"""Chapter 12: its vectors are those of the model, its misspellings are one slip, its remedies do what they say."""

from itertools import islice
from random import Random

import pytest
import torch
import transformers

from bertmini import BertConfig, BertForPreTraining, load
from bertmini.hub import locate
from bertmini.lab.experiments import vectors_in_context as lab
from bertmini.microworld import Grammar, stories
from bertmini.microworld.labels import agreement


@pytest.fixture
def draw(drawing):
    from bertmini.lab.figures import vectors_in_context

    return vectors_in_context


@pytest.fixture(scope="module")
def unigram():
    words = ["[PAD]", "##s", *"abiq", "the", "of", "and", "in", "to", "was", "cat", "cats", "at", "no", "not", "able",
             "table", "Rome", "café", "end"]  # fmt: skip
    return lab.Unigram(words)


def test_every_layer_is_that_of_the_reference():
    """transformers keeps all hidden states by itself; ours come from hooks, which are gone afterwards."""
    model, tokenizer = load("minilm")
    token_ids, keep = lab.padded(tokenizer, ["the bank failed .", "we sat on the bank of the river ."])
    assert keep.sum(1).tolist() == [6, 11] and (token_ids[0, 6:] == tokenizer.pad_id).all()
    theirs = transformers.BertModel.from_pretrained(locate("minilm")).eval()
    with torch.no_grad():
        expected = theirs(token_ids, keep.long(), output_hidden_states=True).hidden_states
    got = lab.all_layers(model.bert, token_ids, keep)
    assert len(got) == len(expected) == 7
    for ours, reference in zip(got, expected, strict=True):
        torch.testing.assert_close(ours[keep], reference[keep], rtol=0, atol=1e-4)
    assert not any(module._forward_hooks for module in model.modules())


def test_the_hooks_are_gone_even_if_the_model_fails():
    model = BertForPreTraining(BertConfig.preset("tiny", vocab_size=10)).eval()
    with pytest.raises(IndexError):
        lab.all_layers(model.bert, torch.tensor([[11]]))
    assert not any(module._forward_hooks for module in model.modules())


def test_a_sentence_s_vector_does_not_depend_on_its_company():
    model, tokenizer = load("minilm")
    texts = ["a long sentence that fills the batch with padding .", "short ."]
    together = lab.sentence_vectors(model.bert, tokenizer, texts)
    alone = torch.cat([lab.sentence_vectors(model.bert, tokenizer, [text]) for text in texts])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(2))


def test_a_probe_minimises_what_it_should():
    """Ridge regression again, by gradient descent."""
    torch.manual_seed(0)
    x, labels = torch.randn(30, 4).double(), torch.arange(30) % 3
    z = (x - x.mean(0)) / x.std(0)
    y = torch.nn.functional.one_hot(labels).double()
    weights = torch.zeros(4, 3, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=0.01)
    for _ in range(500):
        optimizer.zero_grad()
        (((z @ weights - (y - y.mean(0))) ** 2).sum() / 2 + 30 * (weights**2).sum() / 2).backward()
        optimizer.step()
    new = torch.randn(50, 4).double()
    by_descent = ((new - x.mean(0)) / x.std(0)) @ weights.detach() + y.mean(0)
    assert torch.equal(lab.fit(x, labels)(new), by_descent.argmax(1))


def test_no_item_is_answered_by_a_probe_that_saw_it():
    """Labels drawn by lot: who has seen them knows them, who has not is at chance."""
    torch.manual_seed(0)
    x, labels = torch.randn(80, 100), torch.randint(0, 2, (80,))
    fair = lab.cross_validated(x, labels, lab.folds_of(80))
    assert (lab.fit(x, labels, 0.01)(x) == labels).all()
    assert 0.3 < (fair == labels).double().mean() < 0.7
    assert lab.folds_of(16).tolist() == [k for k in range(8) for _ in range(2)]


@pytest.mark.parametrize("word", ["brilliant", "the", "of", "a", "zoo", "aa"])
def test_a_misspelling_is_another_string_one_slip_away(word):
    for seed in range(200):
        wrong = lab.misspell(word, Random(seed))
        assert wrong != word and wrong in lab.edits(word) and word in lab.edits(wrong), wrong


def test_the_share_of_misspelled_words():
    text = " ".join(["river", "bank"] * 500 + ["."])
    for share in (0.0, 0.1, 0.5, 1.0):
        words = lab.with_typos(text, share, Random(3)).split()
        wrong = sum(a != b for a, b in zip(words, text.split(), strict=True))
        assert abs(wrong - 1000 * share) <= 50 and words[-1] == "."
    assert lab.with_typos(text, 0.5, Random(3)) == lab.with_typos(text, 0.5, Random(3))


def test_lost_spaces():
    text = "the film was good ."
    assert lab.without_spaces(text, 0.0, Random(0)) == text
    assert lab.without_spaces(text, 1.0, Random(0)) == "thefilmwasgood ."
    half = lab.without_spaces(" ".join(["ab"] * 1001), 0.5, Random(0))
    assert 450 < half.count(" ") < 550


def test_what_one_slip_can_make():
    """Norvig counts 54n + 25 strings, doubles included."""
    assert lab.edits("a") == {""} | set(lab.LETTERS) | {x + "a" for x in lab.LETTERS} | {"a" + x for x in lab.LETTERS}
    assert {"ab", "b", "a", "ba", "bc", "cbb"} & lab.edits("ab") == {"ab", "b", "a", "ba"}
    assert lab.beside("q") == "w" and lab.beside("h") == "gj" and lab.beside("m") == "n"


def test_the_chance_of_a_word_is_by_its_rank(unigram):
    assert list(unigram.chance) == ["the", "of", "and", "in", "to", "a", "i", "was", "cat", "cats", "at", "no", "not",
                                    "able", "table", "end"]  # fmt: skip
    assert sum(unigram.chance.values()) == pytest.approx(1)
    assert unigram.chance["the"] == pytest.approx(4 * unigram.chance["in"])


def test_the_most_frequent_word_one_slip_away(unigram):
    assert unigram.correct("cats") == "cats"  # a known word stays
    assert unigram.correct("teh") == "the"
    assert unigram.correct("catz") == "cat"  # before cats
    assert unigram.correct("nd") == "and"  # before end
    assert unigram.correct("xyzzy") == "xyzzy"
    assert lab.corrected(unigram, "teh cat wsa at .") == "the cat was at ."


def test_the_cheapest_cut(unigram):
    assert unigram.segment("thecatsatable") == ["the", "cats", "a", "table"]
    assert unigram.segment("qqq") == ["qqq"] and unigram.segment("") == []
    assert lab.segmented(unigram, "thecat wasin .") == "the cat was in ."


def test_no_cut_is_cheaper(unigram):
    """Against all ways there are."""
    def all_cuts(run):
        if not run:
            yield []
        for n in range(1, len(run) + 1):
            yield from ([run[:n], *rest] for rest in all_cuts(run[n:]))

    for run in ("catsat", "notable", "inatable", "thxcat", "iwasin"):
        cheapest = min(sum(map(unigram.cost, words)) for words in all_cuts(run))
        assert sum(map(unigram.cost, unigram.segment(run))) == pytest.approx(cheapest)


def test_the_labelled_sentences():
    senses = lab.labelled("senses.tsv")
    assert len(senses) == 60 and all(text.split().count(word) == 1 for word, _, text in senses)
    for start in range(0, 60, 10):
        assert len({(word, sense) for word, sense, _ in senses[start : start + 10]}) == 1
    moods = lab.labelled("sentiment.tsv")
    assert [mood for mood, _ in moods] == ["positive", "negative"] * 80
    assert len({text for _, text in moods}) == 160
    rows = [item.split("/") for (row,) in lab.labelled("tags.txt") for item in row.split()]
    assert {tag for _, tag in rows} == {"NOUN", "VERB", "ADJ", "ADV", "PRON", "DET", "ADP", "CONJ"}


def test_the_subjects_come_in_pairs():
    texts, plural, half, trap = lab.subjects(20)
    assert len(set(texts)) == 40 and plural.tolist() == [0, 1] * 20
    nouns = [{word.removesuffix("s") for text, h in zip(texts, half, strict=True) if h == k
              for word in (text.split()[1], text.split()[4])} for k in (0, 1)]  # fmt: skip
    assert not nouns[0] & nouns[1]
    for text, many, other in zip(texts, plural, trap, strict=True):
        words = text.split()
        assert words[1].endswith("s") == bool(many) and (words[4].endswith("s") != bool(many)) == bool(other)


def test_which_words_are_ambiguous():
    words = ["light", "the", "light", "run", "the"]
    assert lab.ambiguous(words, torch.tensor([1, 2, 3, 4, 2])).tolist() == [True, False, True, False, False]


def test_each_word_has_the_vectors_of_its_pieces():
    """One word a row, in order; a word of several pieces has their mean."""
    model, tokenizer = load("minilm")
    vectors, words, tags, folds = lab.tagged(model.bert, tokenizer)
    assert words == [item.split("/")[0] for (row,) in lab.labelled("tags.txt") for item in row.split()]
    assert vectors.shape == (7, len(words), 384) and len(tags) == len(folds) == len(words)
    text = "workers empty the bins weekly"
    encoding = tokenizer.encode(text)
    assert encoding.tokens[-4:] == ["bin", "##s", "weekly", "[SEP]"]
    hidden = lab.all_layers(model.bert, torch.tensor([encoding.token_ids]))[:, 0]
    at = words.index("bins")
    torch.testing.assert_close(vectors[:, at], hidden[:, -4:-2].mean(1), rtol=0, atol=1e-4)
    torch.testing.assert_close(vectors[:, at + 1], hidden[:, -2], rtol=0, atol=1e-4)


def test_the_gaps_want_both_verbs_alike():
    told = islice(stories(grammar := Grammar.load(), seed=1), 300)
    gaps, were, half = lab.verb_gaps(agreement(grammar, told), 40)
    assert len(gaps) == 40 and were.tolist() == [0] * 20 + [1] * 20
    for gap, plural, odd in zip(gaps, were, half, strict=True):
        words = gap.split()
        assert words.count("[MASK]") == 1 and not {"was", "were"} & set(words)
        assert words[1:3] == ["said", "the"] and words[4:6] == ["near", "the"], "the hero, then the sentence"
        assert words[3].endswith("s") == bool(plural) and ord(words[3][0]) % 2 == odd


def test_planes_colour_the_senses(draw):
    points = torch.tensor([[0.0, 1], [1, 0], [-2, 0]])
    draw.planes({"here": points, "there": 0 * points}, [False, True, True], ("one", "two"))
    axes = draw.plt.gcf().axes
    first, second = axes[0].collections
    assert first.get_offsets().tolist() == [[0, 1]] and second.get_offsets().tolist() == [[1, 0], [-2, 0]]
    assert [ax.get_title() for ax in axes[:2]] == ["here", "there"] and not axes[2].axison
    draw.planes({"one spot": 1e-7 * points}, [False, True, True], ("one", "two"))
    assert draw.plt.gcf().axes[0].get_xlim() == pytest.approx((-1e-2, 1e-2))


def test_lines_by_layer_in_percent(draw):
    draw.by_layer({"model": {"sense": [0.5, 0.75], "number": [0.6, 1.0]}}, {"model": (0.5, "a coin")})
    (ax,) = draw.plt.gcf().axes
    assert [list(line.get_ydata()) for line in ax.lines] == [[50, 75], [60, 100], [50, 50]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["sense", "number", "a coin"]


def test_harm_begins_with_the_clean_text(draw):
    def read(right, cosine):
        return {"right": right, "cosine": cosine}

    rows = [{"share": 0.5, "spoiled": [read(0.6, 0.4), read(0.8, 0.6)], "mended": [read(0.9, 0.8), read(0.9, 1.0)]}]
    draw.harm(rows, read(1.0, 1.0), read(0.8, 0.9), "% wrong", "repaired")
    left, right = draw.plt.gcf().axes
    means = [list(line.get_ydata()) for line in left.lines if line.get_marker() != "" and len(line.get_xdata()) == 2]
    assert [pytest.approx(mean) for mean in ([100, 70], [80, 90])] == means[:2]
    bars = [list(line.get_ydata()) for line in right.lines if list(line.get_xdata()) == [50, 50]]
    assert bars == [[0.4, 0.6], [0.8, 1.0]]
