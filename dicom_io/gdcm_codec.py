"""JPEG of 12 bits by GDCM: sequential (process 4) and the retired progressive ones, which pydicom's plugins refuse."""

import gdcm

from dicom_io.image import PixelDescription

_PIXEL_DATA = (0x7FE0, 0x0010)


def decode_jpeg(frame: bytes, description: PixelDescription) -> bytes:
    """Return one frame's samples by pixel, little endian. Raises what GDCM does: nothing of it is to be relied on.

    GDCM sees the frame only, never the file, so that it cannot read another image out of it than this package did.
    """
    gdcm.Trace.WarningOff()
    gdcm.Trace.ErrorOff()
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(*_PIXEL_DATA))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((description.columns, description.rows, 1))
    image.SetDataElement(element)
    photometric = gdcm.PhotometricInterpretation.GetPIType(description.photometric_interpretation)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(photometric))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(description.transfer_syntax_uid)))
    image.SetPixelFormat(
        gdcm.PixelFormat(
            description.samples_per_pixel,
            description.bits_allocated,
            description.bits_stored,
            description.bits_stored - 1,
            int(description.signed),
        )
    )
    samples: bytes = image.GetBuffer().encode("utf-8", "surrogateescape")  # GDCM hands bytes out as str
    return samples
