"""The addresses of all pages for operators: those that name no patient."""

from typing import Final

from agent.web import (
    audit_pages,
    configuration_pages,
    drift_pages,
    health_pages,
    models_pages,
    network_pages,
    queue_pages,
    system_pages,
    triage_pages,
)

ADDRESSES: Final = (
    *health_pages.ADDRESSES,
    *system_pages.ADDRESSES,
    *queue_pages.ADDRESSES,
    *triage_pages.ADDRESSES,
    *drift_pages.ADDRESSES,
    *network_pages.ADDRESSES,
    *configuration_pages.ADDRESSES,
    *models_pages.ADDRESSES,
    *audit_pages.ADDRESSES,
)
