"""A radiograph gets the outcome of its training JPEG in whatever form a hospital sends it; in most, the same logit."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from model.classifier import DEFAULT, verify

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "serving_equals_training.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """Load the benchmark, which is a script and in no package."""
    specification = importlib.util.spec_from_file_location("serving_equals_training", BENCHMARK)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


@pytest.mark.shared
def test_the_form_changes_neither_the_outcome_nor_where_it_is_lossless_the_logit(
    benchmark: ModuleType, shared: Path
) -> None:
    chosen = benchmark.chosen_samples(verify(DEFAULT), shared / "data" / "cxr-train", 12)
    assert len({fold for _, fold in chosen}) == 3
    found = list(benchmark.differences(chosen, DEFAULT, benchmark.FORMS, lambda _: None))
    assert [one.form for one in found if one.same_outcome < 11 / 12] == []
    exact = [one for one in found if not any(part in one.form for part in ("no window", "2000 x 2000", "10:1"))]
    assert len(exact) == 10
    assert max(one.largest for one in exact) < 0.01
    assert max(one.median for one in found) < 0.5
