"""The roles of an agent, and the processes that serve them."""

from agent.config.file import Config

SHADOW = "shadow"
"""The process of the second model, where one is configured."""

DICOMWEB = "dicomweb"
"""The process of DICOMweb, where it is enabled."""

HL7 = "hl7"
"""The process of the MLLP listener, where it is enabled."""

METRICS = "metrics"
"""The process that answers scrapes, where it has a port of its own."""

CLOCK = "clock"
"""The process of everything periodic."""

ROLES = ("receive", "work", "deliver", CLOCK, "web")
"""The processes of every running agent."""


def roles_of(config: Config) -> tuple[str, ...]:
    """Return the processes of an agent with this configuration."""
    further = {
        SHADOW: bool(config.model.shadow),
        DICOMWEB: config.dicomweb.enabled,
        HL7: config.hl7.enabled,
        METRICS: config.metrics.port is not None,
    }
    return (*ROLES, *(role for role, wanted in further.items() if wanted))


def processes_of(config: Config, roles: tuple[str, ...]) -> tuple[str, ...]:
    """Return the role of each process that serves `roles` on this host."""
    numbers = {
        "receive": config.receive.processes,
        "work": config.work.processes,
        "deliver": config.deliver.processes,
        "web": config.web.processes,
        DICOMWEB: config.dicomweb.processes,
        HL7: config.hl7.processes,
    }
    return tuple(role for role in roles for _ in range(numbers.get(role, 1)))
