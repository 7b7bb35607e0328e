"""The section `[model]` of config.toml."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from agent.config.section import Section


class ModelSection(Section):
    """The network."""

    name: str = Field(
        default="efficientnet_lite0", description="A model of the zoo: the name of a module in model.zoo."
    )
    runtime: Literal["auto", "tensorflow", "openvino"] = Field(
        default="auto",
        description='What executes the network. "auto": OpenVINO, some times faster, where `pip install '
        "tibabu[openvino]` brought it, else TensorFlow. The scores are the same.",
    )
    threads: int = Field(
        default=0, ge=0, description="Threads of the network; 0: as many as cores, divided by work.processes."
    )
    images_at_once: int = Field(
        default=0,
        ge=0,
        le=64,
        description="Images worked on at once; those that wait for the network together go through it as one batch. "
        "0: twice as many as cores, at least 4, since one whose heat map is made holds its place.",
    )
    prevalence: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        examples=[0.05],
        description="Share of pneumonia among the analysed images here, to which probabilities are shifted; which "
        "images are flagged does not change. Unset: the model's own, as its card states it.",
    )
    shadow: str = Field(
        default="",
        description="A second model of the zoo that scores the same images, in a process of its own, for `tibabu "
        "compare`; its scores change nothing. Empty: none.",
    )

    @field_validator("shadow")
    @classmethod
    def _is_another_one(cls, value: str, info: ValidationInfo) -> str:
        if value and value == info.data.get("name"):
            message = f"expected another model than model.name. Received: {value}"
            raise ValueError(message)
        return value
