"""What an image made from another must say about lossy compression: once lossy, always lossy (PS3.3 C.7.6.1.1.5)."""

import re
from typing import Final

from pydicom.dataset import Dataset

from agent.reports.evidence import LOSSY, Instance

_FLAG, _RATIO, _METHOD = LOSSY
_RATIOS = re.compile(r"\d{1,6}(\.\d{1,8})?(\\\d{1,6}(\.\d{1,8})?)*")
_METHODS = re.compile(r"[A-Z0-9_ ]{1,16}(\\[A-Z0-9_ ]{1,16})*")
_ALWAYS_LOSSY: Final = {
    "1.2.840.10008.1.2.4.50": "ISO_10918_1",
    "1.2.840.10008.1.2.4.51": "ISO_10918_1",
    "1.2.840.10008.1.2.4.81": "ISO_14495_1",
}
"""Transfer Syntaxes that cannot be lossless; JPEG 2000 and HTJ2K can, so there the header has the word."""


def lossy_compression(source: Instance) -> Dataset:
    """Return the attributes of lossy compression, as far as `source` knows its history; nothing is asserted beyond."""
    said = Dataset()
    method = _ALWAYS_LOSSY.get(source.transfer_syntax_uid)
    flag = "01" if method else source.text(_FLAG)
    if flag not in ("00", "01"):
        return said
    said.LossyImageCompression = flag
    if flag == "01":
        if _RATIOS.fullmatch(source.text(_RATIO)):
            said.LossyImageCompressionRatio = source.text(_RATIO).split("\\")
        if _METHODS.fullmatch(source.text(_METHOD)):
            said.LossyImageCompressionMethod = source.text(_METHOD).split("\\")
        elif method:
            said.LossyImageCompressionMethod = method
    return said
