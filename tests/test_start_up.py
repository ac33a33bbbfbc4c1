"""What is imported when: torch and transformers take seconds, so nothing that can do without may load them."""

import subprocess
import sys

import pytest

import hal_trl


@pytest.mark.parametrize(
    "statement",
    [
        "import hal_trl",
        "from hal_trl.cli import app",
        "from hal_trl.hub import card_of_folder, push_adapter",
    ],
)
def test_what_needs_no_torch_loads_none(statement):
    check = "import sys; print({'torch', 'transformers', 'pandas', 'huggingface_hub'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", f"{statement}\n{check}"], text=True).strip() == "set()"


def test_every_public_name_is_there_when_asked_for():
    assert set(hal_trl.__all__) <= set(dir(hal_trl))
    assert all(getattr(hal_trl, name).__module__.startswith("hal_trl.") for name in ("HALReward", "load_metric"))
    with pytest.raises(AttributeError, match="HALRewards"):
        hal_trl.HALRewards  # noqa: B018
