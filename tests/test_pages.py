"""The pages to look things up in: complete, in the letters of the notation, and saying what the code does."""

import json
import math
import re
from pathlib import Path

import pytest
import torch

from bertmini import BertConfig, BertForPreTraining, count_parameters, pretraining_loss
from bertmini.counting import (
    checkpoint_bytes,
    corpus_bytes,
    forward_flops,
    training_flops,
    training_hours,
    training_memory,
)
from bertmini.mlm import predictions_per_sequence
from bertmini.train import CLIP, parameter_groups, schedule

BOOK = Path(__file__).resolve().parent.parent / "book"
QUESTIONS = [
    "What is an embedding?",
    "Where does the vector before it come from?",
    "Does keeping 10% do nothing?",
    "Is BERT used in vision?",
    "What do a million steps bring?",
    "Large does not fit: what now?",
    "Which better pretraining tasks are there?",
    "How long for my data, and how do I judge it?",
    "Why Q, K, V?",
    "Why a feed-forward layer?",
    "Why several heads?",
    "Why learned positions?",
    "Where is it bidirectional, deep, parallel?",
    "Do the three sums hurt?",
    "What is masked and why so?",
    "Is NSP needed?",
    "How many parameters?",
    "Why did it beat ELMo?",
    'Why "counter-intuitive" tasks?',
    "What are its limits?",
    "What of typos and missing spaces?",
    "How does it relate to CBOW, to word2vec?",
    "Which eleven tasks?",
    "What does the name mean?",
    "Strengths and weaknesses?",
    "Which relatives, and what did each change?",
]


def page(name: str) -> str:
    return (BOOK / f"{name}.md").read_text(encoding="utf-8")


def glossary() -> list[tuple[str, str]]:
    """(term, definition), in the order of the page."""
    block = re.search(r"```\{glossary\}\n(.*)\n```", page("glossary"), flags=re.DOTALL)[1]
    return [tuple(entry.split("\n  ")) for entry in block.split("\n\n")]


def formulas(text: str) -> str:
    """All that stands between dollars, without words, commands and indices made of words."""
    maths = " ".join(re.findall(r"\$\$.*?\$\$|\$[^$]+\$", text, flags=re.DOTALL))
    return re.sub(r"\\(?:text|texttt|mathsf)\s*(?:\{[^}]*\}|T)|\\[A-Za-z]+", " ", maths)


def test_every_question_is_answered():
    sections = re.split(r"^### (.+)$", page("questions"), flags=re.MULTILINE)
    answers = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert len(answers) == len(sections) // 2, "a question is answered twice"
    assert sorted(answers) == sorted(QUESTIONS)
    for question, answer in answers.items():
        answer = answer.partition("\n## ")[0]
        assert 300 < len(answer) < 1800, f"{question}: {len(answer)}"
        assert "{cite:" in answer or re.search(r"[Cc]hapter \d", answer), f"nothing supports the answer to {question}"


def test_terms_are_unique_and_in_order():
    terms = [term for term, _ in glossary()]
    assert 70 <= len(terms) == len({term.casefold() for term in terms})
    assert terms == sorted(terms, key=lambda term: term.strip("[]").casefold())


def test_a_term_has_its_chinese_word_and_its_chapter():
    for term, definition in glossary():
        chinese, _, rest = definition.partition(". ")
        assert re.search(r"[\u4e00-\u9fff]", chinese) and len(chinese) < 20, term
        chapter = r"[.?] (\[Chapter \d+\]\(\.\./notebooks/\S+\)|Chapter \d+(, planned)?)\.$"
        assert re.search(r"^[A-Z$].{15,}" + chapter, rest), term


@pytest.mark.parametrize("name", ["questions", "glossary", "one_page"])
def test_a_link_leads_to_the_chapter_that_it_names(name):
    links = re.findall(r"\[[Cc]hapter (\d+)\]\(\.\./notebooks/(\d+)_", page(name))
    assert links
    assert all(int(named) == int(linked) for named, linked in links)


def test_what_shows_that_a_line_is_faithful_exists():
    """Every row gives a verdict, a reason where it departs, and tests; every test that the page names is there."""
    text = page("faithful")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if row[0] != "The released code"]
    assert len(rows) > 50
    for original, here, shown in rows:
        assert here.startswith(("**Faithful**", "**Departs**:", "**Departs**,", "**Departs** of")), original
        assert here.startswith("**Faithful**") or len(here) > 40, f"no reason: {original}"
        assert "::" in shown, original
    named = set(re.findall(r"`([\w/]+\.py)::(\w+)`", text))
    assert len(named) > 50 and text.count("::") == len(re.findall(r"`[\w/]+\.py::\w+`", text))
    for file, function in named:
        code = (BOOK.parent / "tests" / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {function}\(", code, flags=re.MULTILINE), f"{file}::{function}"
    for file in set(re.findall(r"`(test_\w+\.py)`", text)):
        assert (BOOK.parent / "tests" / file).is_file(), file


def test_one_page_has_the_letters_of_the_notation():
    sizes = set(re.findall(r"^\| \$([A-Z])\$ \|", page("notation").partition("## Tensors")[0], flags=re.MULTILINE))
    assert sizes == set("BTHLADFVP")
    text = page("one_page")
    letters = set(re.findall(r"[A-Z]", formulas(text)))
    assert letters == sizes | {"W", "N"}  # W: matrices and tables, with their shapes; N: all steps, as in chapter 8
    shapes = re.findall(r"\\underset\{\(([^)]*)\)\}", text)
    assert len(shapes) > 30
    assert {size for shape in shapes for size in shape.split(r",\,")} <= sizes | {"2", "512"}


def test_one_page_counts_what_the_package_counts():
    text, base, large = page("one_page"), BertConfig.preset("base"), BertConfig.preset("large")
    for config in (base, large, BertConfig.preset("tiny", vocab_size=410, intermediate_size=300)):
        V, H, F, L = config.vocab_size, config.hidden_size, config.intermediate_size, config.num_hidden_layers
        total = (V + 512 + 2) * H + 2 * H + L * (4 * H**2 + 2 * H * F + 9 * H + F)
        total += H**2 + H + (H**2 + 3 * H + V) + (2 * H + 2)
        assert total == count_parameters(config).total
    for config in (base, large):
        V, H, L = config.vocab_size, config.hidden_size, config.num_hidden_layers
        flops = 24 * L * H**2 * 128 + 4 * L * H * 128**2 + 2 * 20 * (H**2 + H * V) + 2 * H**2
        assert flops == forward_flops(config, 128, 20)
        for heads in (("pooler", "mlm", "nsp"), ("pooler",)):
            number = f"{count_parameters(config, heads).total:,}"
            assert number in text and number in page("questions")
    assert f"{training_flops(base, 128, 20) / 1e9:.1f} GFLOP" in text
    million = 256e6 * (0.9 * training_flops(base, 128, 20) + 0.1 * training_flops(base, 512, 77))
    assert f"{million:.1e}" == "2.4e+19" and r"2.4 \cdot 10^{19}" in text and r"2.4 \cdot 10^{19}" in page("questions")
    assert predictions_per_sequence(128) == math.ceil(0.15 * 128) == 20


def test_questions_say_what_the_memory_formula_says():
    large, text = BertConfig.preset("large"), page("questions").replace("\n", " ")
    model = sum(training_memory(large, 1, 128, 20)[:3])
    assert f"{model / 1e9:.1f} GB for Large" in text
    assert f"{training_memory(large, 32, 128, 20).activations / 1e9:.1f} GB of activations" in text
    assert f"32 of 512 tokens {training_memory(large, 32, 512, 77).activations / 1e9:.1f} GB" in text
    assert f"{training_memory(large, 1, 128).weights / 1e9:.2f} GB" in text


def test_what_3_billion_words_cost_is_computed():
    text, (base, large) = page("several_machines").replace("\n", " "), map(BertConfig.preset, ("base", "large"))
    words, peak, share, gpus = 3_300_000_000, 989e12, 0.5, (1, 8, 32)
    tokens = words * 14 // 10
    assert f"{tokens / 1e9:.2f} billion tokens" in text
    disk = corpus_bytes(tokens, words // 20, 6_000_000, base.vocab_size)
    assert f"{disk / 1e9:.1f} GB (`corpus_bytes`)" in text
    assert f"{checkpoint_bytes(base) / 1e9:.2f} GB for Base and {checkpoint_bytes(large) / 1e9:.2f} GB for" in text
    assert [f"{16e9 / rate / 3600:.1f}" for rate in (8e6, 0.8e6)] == ["0.6", "5.6"]
    assert "At 8 MB a second in all that takes 0.6 hours, at 0.8 MB a second 5.6." in text
    instances = tokens / 80
    assert f"those are {instances / 1e6:.0f} million, {40 * instances / 1e9:.1f} GB a process" in text
    assert f"90,000 a second were seen: {instances / 90_000 / 60:.0f} minutes" in text
    million = {
        config: 256e6 * (0.9 * training_flops(config, 128, 20) + 0.1 * training_flops(config, 512, 77))
        for config in (base, large)
    }
    figures = [f"{flops / 1e19:.1f}" for flops in million.values()]
    powers = [rf"${figure} \cdot 10^{{19}}$" for figure in figures]
    assert f"{powers[0]} FLOP for Base and {powers[1]} for Large" in text
    read = 256e6 * (0.9 * 128 + 0.1 * 512)
    assert f"read {read / 1e9:.0f} billion tokens, {read / tokens:.1f} times the corpus" in text
    assert round(256e6 * 512 / words) == 40 and "40 epochs" in text
    for count in gpus:
        hours = [training_hours(flops, count * peak, share) for flops in million.values()]
        assert f"| {count} | {hours[0]:.1f} h | {hours[1]:.1f} h |" in text
    gradients = training_memory(base, 1, 128, 20).gradients
    sent = gradients * 2 * 7 / 8  # a ring: each of eight sends seven eighths twice
    assert f"The gradients of Base are {gradients / 1e6:.0f} MB." in text and f"send {sent / 1e6:.0f} MB" in text
    assert f"450 GB a second inside a machine that takes {sent / 450e9 * 1e3:.1f} ms" in text
    assert f"50 GB a second between machines {sent / 50e9 * 1e3:.1f} ms" in text
    assert f"takes {256 * training_flops(base, 128, 20) / (8 * share * peak) * 1e3:.1f} ms on eight" in text
    assert f"handed {share * peak / training_flops(base, 128, 20):,.0f} sequences a second" in text


def test_what_does_not_fit_is_computed():
    text, large = page("several_machines").replace("\n", " "), BertConfig.preset("large")
    kept = training_memory(large, 32, 512, 77).activations
    assert f"keep {kept / 1e9:.1f} GB of activations" in text
    assert kept / 8 == training_memory(large, 4, 512, 77).activations
    assert f"In eight parts they keep {kept / 8e9:.1f} GB" in text
    model = sum(training_memory(large, 1, 512, 77)[:3])
    assert f"take {model / 1e9:.1f} GB in every process; sharded over eight, {model / 8e9:.1f} GB" in text


def test_the_formulas_of_one_page_are_the_model(shake):
    """From ids to loss as the page has it, number by number in float64, against the package."""
    config = BertConfig(vocab_size=40, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=48)
    model = shake(BertForPreTraining(config)).double().eval()
    B, T, H, A, D = 2, 7, 12, 3, 4
    token_ids, segment_ids = torch.randint(40, (B, T)), torch.tensor([[0, 0, 0, 0, 1, 1, 1]] * B)
    keep = torch.tensor([[True] * 7, [True] * 5 + [False] * 2])
    positions, labels = torch.tensor([[2, 5], [1, 0]]), torch.tensor([[7, 8], [9, -100]])
    is_random = torch.tensor([1, 0])

    def layer_norm(x, norm):
        mean, var = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
        return norm.weight * (x - mean) / (var + 1e-12).sqrt() + norm.bias

    def linear(x, layer):
        return x @ layer.weight.T + layer.bias

    def gelu(z):
        return z / 2 * (1 + torch.erf(z / math.sqrt(2)))

    tables = model.bert.embeddings
    x = tables.token.weight[token_ids] + tables.segment.weight[segment_ids] + tables.position.weight[:T]
    x = layer_norm(x, tables.norm)
    for layer in model.bert.layers:
        q, k, v = (part.unflatten(-1, (A, D)).transpose(1, 2) for part in linear(x, layer.attention.qkv).split(H, -1))
        scores = q @ k.transpose(-1, -2) / math.sqrt(D)
        w = scores.masked_fill(~keep[:, None, None], -math.inf).softmax(-1)
        a = linear((w @ v).transpose(1, 2).flatten(-2), layer.attention.output)
        y = layer_norm(x + a, layer.attention_norm)
        f = linear(gelu(linear(y, layer.feed_forward.inner)), layer.feed_forward.outer)
        x = layer_norm(y + f, layer.output_norm)
    nsp_logits = linear(linear(x[:, 0], model.bert.pooler.dense).tanh(), model.nsp.score)
    h = torch.stack([x[b, positions[b]] for b in range(B)])
    transformed = layer_norm(gelu(linear(h, model.mlm.transform)), model.mlm.norm)
    mlm_logits = transformed @ tables.token.weight.T + model.mlm.bias
    chances = [mlm_logits[b, i].softmax(-1)[labels[b, i]] for b, i in ((0, 0), (0, 1), (1, 0))]
    mlm = -sum(chance.log() for chance in chances) / 3
    nsp = -sum(nsp_logits[b].softmax(-1)[is_random[b]].log() for b in range(B)) / B

    output = model(token_ids, segment_ids, keep, positions)
    torch.testing.assert_close(output.mlm_logits, mlm_logits)
    torch.testing.assert_close(output.nsp_logits, nsp_logits)
    # the package computes its losses in fp32
    torch.testing.assert_close(pretraining_loss(output, labels, is_random).total.double(), mlm + nsp, rtol=1e-5, atol=0)


def test_the_step_of_one_page_is_the_optimizer():
    """Clipping, AdamW and the schedule, for a matrix (decay 0.01) and a bias (none), over four steps."""
    layer = torch.nn.Linear(3, 2).double()
    optimizer = torch.optim.AdamW(parameter_groups(layer), eps=1e-6)
    state = [[p.detach().clone(), torch.zeros_like(p), torch.zeros_like(p)] for p in (layer.weight, layer.bias)]
    N, w, top = 25, 2, 1e-2
    for n in range(1, 5):
        rate = top * min(n / w, (N - n + 1) / (N - w + 1))
        assert rate == pytest.approx(top * schedule(n, N))
        gradients = [torch.randn_like(p) * 3 ** (2 - n) for p in layer.parameters()]
        norm = math.sqrt(sum(float((g**2).sum()) for g in gradients))
        for p, g in zip(layer.parameters(), gradients, strict=True):
            p.grad = g.clone()
        torch.nn.utils.clip_grad_norm_(layer.parameters(), CLIP)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        for (theta, m, s), g, decay in zip(state, gradients, (0.01, 0.0), strict=True):
            g *= min(1, 1 / (norm + 1e-6))
            m.copy_(0.9 * m + 0.1 * g)
            s.copy_(0.999 * s + 0.001 * g**2)
            theta -= rate * decay * theta
            theta -= rate * (m / (1 - 0.9**n)) / ((s / (1 - 0.999**n)).sqrt() + 1e-6)
    for p, (theta, _, _) in zip(layer.parameters(), state, strict=True):
        torch.testing.assert_close(p.detach(), theta)


def head_of(path: Path) -> str:
    """The text before the promise of a chapter, in one line."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return " ".join("\n".join("".join(cell["source"]) for cell in cells[:2]).split())


def table(section: str) -> list[list[str]]:
    """The rows of the first table under a heading of the page for teachers, without its head."""
    text = page("teaching").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def numbers_in(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def test_the_page_for_teachers_has_the_times_and_needs_of_the_chapters():
    *chapters, total = table("What the chapters take")
    sums = [0, 0, 0]
    notebooks = sorted((BOOK.parent / "notebooks").glob("*.ipynb"))
    for path, (chapter, reading, exercises, needs) in zip(notebooks, chapters, strict=True):
        number = path.name[:2].removeprefix("0").upper()
        assert re.fullmatch(rf"\[{number} [^]]+\]\(\.\./notebooks/{path.name}\)", chapter), chapter
        text = path.read_text(encoding="utf-8")
        head = re.search(r"\*\*Needs:\*\* (.+?) \*\*Time:\*\* (\d+) min reading, (\d+) min exercises", head_of(path))
        count = text.count("{exercise-start}")
        assert numbers_in(reading) == [int(head[2])] and numbers_in(exercises) == [count, int(head[3])], chapter
        assert numbers_in(needs) == [int(name) for name in re.findall(r"\b\d\d\b", head[1])], chapter
        assert ("(" in needs) == (" help" in head[1])
        minutes = [int(found) for found in re.findall(r"\*(\d+) minutes, (?:easy|medium|hard|harder)\.\*", text)]
        assert len(minutes) == count and abs(sum(minutes) - int(head[3])) <= 2, chapter
        sums = [a + b for a, b in zip(sums, (int(head[2]), count, int(head[3])), strict=True)]
    assert [*numbers_in(total[1]), *numbers_in(total[2])] == sums


def test_the_plan_for_five_weeks_has_what_it_needs_before_it_is_needed():
    chapters = {row[0].split()[0].strip("["): row for row in table("What the chapters take")}
    done: set[int] = set()
    weeks = table("Five weeks")
    assert [week for week, *_ in weeks] == list("12345")
    for _, names, reading, exercises in weeks:
        times = [0, 0]
        for number in numbers_in(names):
            assert set(numbers_in(chapters[str(number)][3])) <= done, number
            done.add(number)
            times[0] += numbers_in(chapters[str(number)][1])[0]
            times[1] += numbers_in(chapters[str(number)][2])[1]
        assert [*numbers_in(reading), *numbers_in(exercises)] == times
    assert {0, 1, 2, 3, 4, 5, 6, 7, 8, 9} - done == {1, 3, 9}
