"""Why an Instance's pixels cannot be used: every `PixelError.reason`, in words for people."""

from typing import Final

UNREADABLE: Final = "file is not readable as DICOM"
LOST: Final = "the stored file is gone or damaged"
NO_PIXELS: Final = "no pixel data"
EMPTY: Final = "pixel data is empty"
TRUNCATED: Final = "pixel data is truncated"
TOO_LARGE: Final = "image is larger than the configured limits"
TOO_MANY_FRAMES: Final = "image has more frames than the configured limit"
BAD_DESCRIPTION: Final = "header does not describe the pixel data consistently"
COLOUR_UNKNOWN: Final = "photometric interpretation is not supported"
NO_DECODER: Final = "no decoder for this transfer syntax"
DAMAGED: Final = "pixel data is damaged and cannot be decoded"
SIZE_DIFFERS: Final = "compressed image does not have the size that the header says"
BAD_LUT: Final = "look-up table is not usable"
NOT_A_PICTURE: Final = "file is not a readable PNG or JPEG"
UNFORESEEN: Final = "decoding failed in a way that was not foreseen"
CRASHED: Final = "the decoder crashed on this image"
TOO_SLOW: Final = "decoding took longer than the time limit"
OUT_OF_MEMORY: Final = "decoding takes more memory than is allowed"

ALL: Final = frozenset(value for name, value in vars().items() if name.isupper() and isinstance(value, str))
"""Every one of them: whoever reads hostile bytes may say nothing else."""
