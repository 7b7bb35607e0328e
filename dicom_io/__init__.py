"""DICOM on the wire and in files, and the store of received bytes; it knows no database, no model and no agent."""
