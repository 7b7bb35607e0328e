"""FHIR R4 (4.0.1): terms, values, transaction Bundles, and what a server's answer to one says."""
