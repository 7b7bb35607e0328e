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
AGES_OF_NOBODY: Final = Remedy(
    code="ages-of-nobody",
    severity=Severity.ERROR,
    why="No age lies between the two: every image is declined, and no study is analysed.",
    keys=("gate.minimum_age_years", "gate.maximum_age_years"),
)
AGES_NOT_VALIDATED: Final = Remedy(
    code="ages-not-validated",
    severity=Severity.WARNING,
    why="The model is used on ages for which nobody has measured what it finds and misses.",
    commands=("tibabu evaluate FOLDER{config}",),
    keys=("gate.minimum_age_years", "gate.maximum_age_years"),
    words="Unset the keys, or validate the model on such images of your own.",
)


def look(patient: Patient) -> Iterator[Finding]:
    """Look at each configured model as it would be loaded; none is executed."""
    section = patient.config.model
    yield from _model(patient, "model", section.name, "name")
    if section.shadow:
        yield from _model(patient, "shadow model", section.shadow, "shadow")
    from model.runtime import chosen  # noqa: PLC0415 - as below

    try:
        chosen(section.runtime)
    except RuntimeUnavailableError as error:
        yield patient.ill("runtime", RUNTIME_MISSING, str(error))


def _model(patient: Patient, check: str, name: str, setting: str) -> Iterator[Finding]:
    from model.classifier import verify  # noqa: PLC0415 - the other checks do not need it

    active = () if patient.database is None else active_operating_points(patient.database, name)
    try:
        card = adapted(verify(name), prevalence=patient.config.model.prevalence, active=active)
    except ModelError as error:
        yield patient.ill(check, MODEL_UNUSABLE, str(error), setting=setting)
        return
    except AgentError as error:
        yield patient.ill(check, OPERATING_POINT_OF_ANOTHER, str(error))
        return
    point, weights = card.operating_point, f"{card.name} {card.version}, sha256 {card.sha256[:12]}..."
    yield patient.fit(check, f"{weights}, {point.name}: flagged from {point.threshold:.3f} on")
    yield from _ages(patient, check, card.age_range_years)


def _ages(patient: Patient, check: str, validated: tuple[float, float]) -> Iterator[Finding]:
    youngest, oldest = patient.config.gate.ages(validated)
    seen = f"from {youngest:g} to below {oldest:g} years"
    if youngest >= oldest:
        yield patient.ill(check, AGES_OF_NOBODY, f"expected ages that somebody has. Received: {seen}")
    elif youngest < validated[0] or oldest > validated[1]:
        known = f"from {validated[0]:g} to below {validated[1]:g}"
        yield patient.ill(
            check, AGES_NOT_VALIDATED, f"expected ages that it was validated on, {known}. Received: {seen}"
        )
