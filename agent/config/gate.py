"""The table [gate] of config.toml: which images are analysed."""

from typing import Literal, Self

from pydantic import Field, model_validator

from agent.config.section import AeTitle, Section


class GateSection(Section):
    """Which images are analysed. The model's validated age range is the default."""

    minimum_age_years: float | None = Field(
        default=None, ge=0, examples=[1.0], description="Youngest age analysed; unset: the model's."
    )
    maximum_age_years: float | None = Field(
        default=None,
        gt=0,
        examples=[6.0],
        description="Analysed below this age (6 means up to 5 years old); unset: the model's.",
    )
    accept_unknown_view: bool = Field(
        default=False,
        description="Analyse images whose header says nothing of the view; only for a site that sends no laterals.",
    )
    paediatric_ae_titles: tuple[AeTitle, ...] = Field(
        default=(), description="Calling AE titles that image children only: an unknown age is accepted from them."
    )
    readmit_by_pixels: Literal["never", "unknown", "text"] = Field(
        default="never",
        description=(
            "What the pixels of a sure frontal chest overrule: nothing; a body part or view that the header leaves"
            " unknown; or also what its texts say of body part, view and modality. See docs/gate.md before changing it."
        ),
    )

    def ages(self, validated: tuple[float, float]) -> tuple[float, float]:
        """Return from which age on and below which one images are analysed, by a model that was validated on some."""
        youngest, oldest = self.minimum_age_years, self.maximum_age_years
        return validated[0] if youngest is None else youngest, validated[1] if oldest is None else oldest

    @model_validator(mode="after")
    def _some_age_is_analysed(self) -> Self:
        youngest, oldest = self.minimum_age_years, self.maximum_age_years
        if youngest is not None and oldest is not None and youngest >= oldest:
            message = f"expected minimum_age_years below maximum_age_years. Received: {youngest:g} and {oldest:g}"
            raise ValueError(message)
        return self
