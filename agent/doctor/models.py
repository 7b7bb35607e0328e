"""The model and the second one: weights with the digest of their card, the site's operating point, the runtime."""

from collections.abc import Iterator
from typing import Final

from agent.doctor.finding import Finding, Patient, Remedy, Severity
from agent.errors import AgentError
from agent.line.site import adapted
from db.operating_point import active_operating_points
from model.errors import ModelError, RuntimeUnavailableError

MODEL_UNUSABLE: Final = Remedy(
    code="model-unusable",
    severity=Severity.ERROR,
    why="Nothing is analysed: studies are received, stored, and wait.",
    commands=("tibabu models", "{python} -m pip install --force-reinstall --no-deps tibabu"),
    keys=("model.{setting}",),
)
OPERATING_POINT_OF_ANOTHER: Final = Remedy(
    code="operating-point-of-another",
    severity=Severity.ERROR,
    why="What was validated here were other weights: nothing is analysed until a person decides.",
    commands=("tibabu operating-point show{config}", "tibabu operating-point deactivate --by NAME{config}"),
)
RUNTIME_MISSING: Final = Remedy(
    code="runtime-missing",
    severity=Severity.ERROR,
    why="What is to execute the network is not installed: nothing is analysed.",
    commands=('{python} -m pip install "tibabu[openvino]"',),
    keys=("model.runtime",),
)


def look(patient: Patient) -> Iterator[Finding]:
    """Look at each configured model as it would be loaded; none is executed."""
    section = patient.config.model
    yield _model(patient, "model", section.name, "name")
    if section.shadow:
        yield _model(patient, "shadow model", section.shadow, "shadow")
    from model.runtime import chosen  # noqa: PLC0415 - as below

    try:
        chosen(section.runtime)
    except RuntimeUnavailableError as error:
        yield patient.ill("runtime", RUNTIME_MISSING, str(error))


def _model(patient: Patient, check: str, name: str, setting: str) -> Finding:
    from model.classifier import verify  # noqa: PLC0415 - the other checks do not need it

    active = () if patient.database is None else active_operating_points(patient.database, name)
    try:
        card = adapted(verify(name), prevalence=patient.config.model.prevalence, active=active)
    except ModelError as error:
        return patient.ill(check, MODEL_UNUSABLE, str(error), setting=setting)
    except AgentError as error:
        return patient.ill(check, OPERATING_POINT_OF_ANOTHER, str(error))
    point, weights = card.operating_point, f"{card.name} {card.version}, sha256 {card.sha256[:12]}..."
    return patient.fit(check, f"{weights}, {point.name}: flagged from {point.threshold:.3f} on")
