"""The notebooks' helpers: d2l and the figures. The checks of exercises are in test_exercises.py."""

import importlib.util
import sys

import pytest
import torch

from bertmini.lab import d2l


def test_d2l_is_imported_and_leaves_no_placeholder():
    assert d2l() is d2l()
    second_row = d2l().PositionalEncoding(4, 0, max_len=2).P[0, 1].tolist()
    assert second_row == pytest.approx([0.8415, 0.5403, 0.0100, 1.0], abs=1e-4)
    if importlib.util.find_spec("torchvision") is None:
        assert not {"torchvision", "torchvision.transforms"} & set(sys.modules)


def test_the_tables_of_d2l_s_bert_are_fifty_times_as_large():
    """What chapter 2 says of it: drawn with deviation 1, not 0.02, and learned."""
    torch.manual_seed(0)
    model = d2l().BERTEncoder(1000, 64, 128, 2, 1, 0.1)
    for table in (model.token_embedding.weight, model.segment_embedding.weight, model.pos_embedding):
        assert isinstance(table, torch.nn.Parameter)
        assert table.std().item() == pytest.approx(1, abs=0.2)


@pytest.fixture
def figures(drawing):
    from bertmini.lab.figures import embeddings, runs  # reached as figures.embeddings, figures.runs  # noqa: F401

    return drawing


def test_a_figure_is_stored_small_and_at_twice_the_resolution(figures):
    import base64
    import io

    from PIL import Image

    figures.embeddings.three_rows(["[CLS]", "man", "[SEP]"], [0, 0, 0])
    data, size = figures.png(figures.plt.gcf())
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.format == "PNG" and picture.mode == "P"
    assert size == {"width": picture.width // 2}
    assert size["width"] == pytest.approx(7.5 * figures.plt.rcParams["figure.dpi"], rel=0.05)


def test_text_on_boxes_can_be_read(figures):
    """Contrast of at least 4.5 between each box and its letters (WCAG 2.1, 1.4.3)."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    ax = figures.blank(2, 2, 10, 10)
    for colour in (*figures.COLOUR.values(), figures.INK, "#F2F2F2", "#7FCEB8"):
        figures.box(ax, 0, 0, "text", colour)
        text = ax.texts[-1].get_color()
        text = {"white": "#ffffff"}.get(text, text)
        light, dark = sorted((luminance(colour), luminance(text)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, colour


def test_the_figures_of_chapter_2_draw_what_they_are_given(figures):
    tables = {"token": torch.eye(4), "position": torch.eye(3), "segment": torch.eye(2)}
    tables = {name: torch.cat([table] * 4, dim=1)[:, :8] for name, table in tables.items()}
    figures.embeddings.one_matrix(torch.tensor([1, 0, 0, 0, 1, 0, 0, 1, 0]), tables, torch.arange(8))
    words = [text.get_text() for text in figures.plt.gca().texts]
    assert "one matrix, 9 × 8" in words and "7" in words

    figures.embeddings.recovery([2, 4], {"few": [0.0, 1.0]}, marked={"Tiny": 4})
    assert figures.plt.gca().lines[0].get_ydata().tolist() == [0, 100]

    lines = {"token": [0.0, 0.5, 1.0], "position": [0.1, 0.2, 0.3], "segment": [1.0, 1.0, 1.0]}
    figures.embeddings.recovery_by_size([2, 4, 8], {"quiet": lines, "loud": lines}, guess={"segment": 0.5})
    assert [ax.get_title() for ax in figures.plt.gcf().axes] == ["quiet", "loud"]
    for ax in figures.plt.gcf().axes:
        assert list(ax.lines[-1].get_ydata()) == [50, 50]

    figures.embeddings.positions({"a": torch.zeros(4, 6) + 1}, {"a": torch.eye(4)})
    assert figures.plt.gcf().axes[0].get_title() == "a"

    figures.embeddings.moved_rows({"token": torch.tensor([True, False])}, {"token": ["man", "dog"]})
    assert [text.get_text() for text in figures.plt.gca().texts] == ["token", "man", "moved", "dog", "–"]


def test_a_recorded_run_is_drawn_as_it_is(figures):
    line = {"held_out_mlm_loss_masked": 5.0, "unigram_mlm_loss_masked": 6.0}
    line |= {"held_out_mlm_loss": 5.0, "held_out_nsp_accuracy": 0.75, "held_out_random_share": 0.5}
    left, right = figures.runs.run_curve({"metrics": [line | {"step": 0}, {"step": 1}, line | {"step": 2}]}).axes
    assert left.lines[0].get_xydata().tolist() == [[0, 5], [2, 5]] and set(left.lines[1].get_ydata()) == {6}
    assert right.lines[0].get_xydata().tolist() == [[0, 75], [2, 75]] and set(right.lines[1].get_ydata()) == {50}
    floor = {"floor": 0.6, "own_sentence": 0.8}
    line |= {f"{key}_mlm_loss_masked": value for key, value in floor.items()}
    line |= {f"{key}_standard_error": 0.01 for key in floor} | {"best_nsp_accuracy": 0.95}
    left, right = figures.runs.run_curve({"metrics": [line | {"step": 0}, line | {"step": 2}]}).axes
    assert [set(drawn.get_ydata()) for drawn in left.lines[1:]] == [{6}, {0.8}, {0.6}]
    bands = [(band.get_y(), band.get_height()) for band in left.patches]
    assert bands == [(pytest.approx(0.78), pytest.approx(0.04)), (pytest.approx(0.58), pytest.approx(0.04))]
    assert set(right.lines[2].get_ydata()) == {95}
    upper, lower = figures.runs.run_curve({"metrics": [line | {"step": 0}]}, stacked=True).axes
    assert upper.get_position().y0 > lower.get_position().y1 and left.get_position().y0 == right.get_position().y0
