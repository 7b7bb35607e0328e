"""The page of drift: charts without script, said in words too, and small numbers said to be small."""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from agent.config.drift import DriftSection
from agent.watch.drift import DriftWatch
from db.drift_sample import DriftSample, ImageTraits, add_sample
from db.outcome import Outcome
from model.card import read_card
from model.zoo import architecture, loadable

Ledger = Any  # tests/fixtures/served.py


def came(ledger: Ledger, images: int) -> None:
    """Let images come, and the watch look."""
    card, now = read_card(architecture(loadable()[0]).card_path), datetime.now(UTC)
    traits = ImageTraits(view="PA", manufacturer="<b>ACME</b>", age_band="3 to 5 years", sex="female", mean_gray=110.0)
    with ledger.database.begin() as connection:
        for number in range(images):
            sample = DriftSample(
                at=now - timedelta(minutes=5),
                model_sha256=card.sha256,
                outcome=Outcome.FLAGGED if number % 4 else Outcome.NOT_FLAGGED,
                decline_group="",
                score=7.9,
                traits=traits,
            )
            add_sample(connection, sample)
    DriftWatch(ledger.database, lambda: card, DriftSection(), lambda: now).look()


def text(page: str) -> str:
    inline = re.sub(r"</?(?:bdi|time|b|strong)\b[^>]*>", "", page)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", inline)).split())


def test_before_anybody_has_looked_the_page_says_so(client: httpx.Client) -> None:
    assert "Nobody has looked yet" in client.get("/system/drift").text


def test_the_page_says_how_far_the_scores_lie_from_the_card_and_that_it_is_an_alarm(
    client: httpx.Client, ledger: Ledger
) -> None:
    came(ledger, 240)
    page = client.get("/system/drift").text
    shown = text(page)
    assert "PSI of logit" in shown
    assert "of 240 images in a week, since" in shown
    assert "75.0% (180 of 240; 95 % interval 69.2% to 80.1%)" in shown
    assert "more than chance gives" in shown
    assert "<b>ACME</b> 240 100.0%" in shown
    assert re.search(r'<svg class="chart"[^>]*role="img" aria-labelledby="([^"]+)">\s*<title id="\1">', page)
    assert "Score (logit) of the network: half of 240 images lie below" in shown
    assert "style=" not in page
    assert "PSI of logit" in text(client.get("/system").text)
    assert "240 images that came to the gate" in text(client.get("/system/drift?span=day").text)


@pytest.mark.parametrize("images", [1, 29])
def test_of_few_images_nothing_is_judged(client: httpx.Client, ledger: Ledger, images: int) -> None:
    came(ledger, images)
    shown = text(client.get("/system/drift?span=day").text)
    assert "None stands." in shown
    assert "PSI 0" not in shown
    assert f"of {images}: fewer than 30 images: not judged" in shown
