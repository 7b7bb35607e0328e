"""The table [drift] of config.toml: how far images and scores may lie from the model's card, and what then happens."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from agent.config.section import Days, Minutes, Section

Share = Annotated[float, Field(gt=0, lt=1)]


class DriftSection(Section):
    """When images or scores have drifted from the model's card, as docs/operator.md says; [alerts] tells it."""

    every_minutes: Minutes = Field(
        default=15, ge=1, description="How often the last day and the last week are looked at."
    )
    minimum_images: int = Field(
        default=200,
        ge=30,
        description="Of fewer images in a span nothing is an alarm; of fewer than 30 nothing is judged at all.",
    )
    psi: float = Field(
        default=0.25,
        ge=0,
        description="Population stability index of scores, and of gray levels, contrast and sharpness, against the "
        "card's reference at model.prevalence, above which there is an alarm; 0: none. 0.25 is commonly called a major "
        "shift. It must also be more than chance gives with so many images.",
    )
    kolmogorov_smirnov: float = Field(
        default=0,
        ge=0,
        le=1,
        description="The same for the Kolmogorov-Smirnov distance of scores, with a p-value below 0.01; 0: none.",
    )
    flag_rate_below: Share | None = Field(
        default=None,
        examples=[0.02],
        description="Share of analysed images that are flagged: an alarm if all of its 95 % interval lies below this.",
    )
    flag_rate_above: Share | None = Field(
        default=None, examples=[0.4], description="The same: an alarm if all of its interval lies above this."
    )
    declined_above: Share | None = Field(
        default=None,
        examples=[0.5],
        description="Share of images that the gate declines, laterals apart: an alarm if all of its interval is above.",
    )
    switch_off: bool = Field(
        default=False,
        description="Whether a new alarm switches triage off, until a person switches it on again.",
    )
    keep_days: Days = Field(
        default=400, gt=8, description="How long the samples are kept; they name no image, study or patient."
    )

    @model_validator(mode="after")
    def _some_share_is_no_alarm(self) -> Self:
        below, above = self.flag_rate_below, self.flag_rate_above
        if below is not None and above is not None and below >= above:
            message = f"expected flag_rate_below less than flag_rate_above. Received: {below:g} and {above:g}"
            raise ValueError(message)
        return self
