"""Why an Instance's pixels cannot be used: every `PixelError.reason`, in words for people."""

from typing import Final

UNREADABLE: Final = "file is not readable as DICOM"
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
