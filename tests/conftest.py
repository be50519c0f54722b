"""What several test files share: the same chance every time, and weights that hide nothing."""

import hypothesis
import pytest
import torch

hypothesis.settings.register_profile("house", deadline=None, derandomize=True)
hypothesis.settings.load_profile("house")


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def shake():
    """Give a model weights far from those it starts with: zero biases and unit LayerNorms would hide wrong wiring."""

    def shake(model: torch.nn.Module, deviation: float = 0.3) -> torch.nn.Module:
        chance = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for name, weights in model.named_parameters():
                weights.normal_(1.0 if name.endswith("norm.weight") else 0.0, deviation, generator=chance)
        return model

    return shake


@pytest.fixture
def drawing():
    """bertmini.lab.figures in the book's style, without a screen."""
    import matplotlib  # here, for most tests draw nothing

    matplotlib.use("agg")
    from bertmini.lab import figures

    figures.style()
    yield figures
    figures.plt.close("all")
