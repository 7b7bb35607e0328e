"""Frames in, probabilities and heat maps out.

Knows no DICOM. TensorFlow is imported inside functions only, so that importing this package stays cheap.
"""
