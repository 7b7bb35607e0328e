"""The trunk: when things happen and how the three leaves (dicom_io, model, db) are wired together."""

from importlib.metadata import version

VERSION = version("tibabu")
