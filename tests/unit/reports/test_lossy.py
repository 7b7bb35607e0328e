"""Once lossy, always lossy; and nothing is asserted that the source does not know."""

import pytest

from agent.reports.evidence import Instance
from agent.reports.lossy import lossy_compression
from dicom_io.scan import Syntax

EXPLICIT, JPEG, JPEG_LS_LOSSY, JPEG_2000 = "1.2.1", "1.2.4.50", "1.2.4.81", "1.2.4.91"


def source(transfer_syntax: str, **values: bytes) -> Instance:
    tags = {"flag": 0x00282110, "ratio": 0x00282112, "method": 0x00282114}
    return Instance(
        sop_class_uid="1.2",
        sop_instance_uid="1.3",
        series_instance_uid="1.4",
        study_instance_uid="1.5",
        transfer_syntax_uid=f"1.2.840.10008.{transfer_syntax}",
        syntax=Syntax(explicit=True, little_endian=True),
        values={tags[name]: value for name, value in values.items()},
    )


@pytest.mark.parametrize(
    ("instance", "said"),
    [
        (source(EXPLICIT), {}),
        (source(EXPLICIT, flag=b"rubbish"), {}),
        (source(EXPLICIT, flag=b"00"), {"LossyImageCompression": "00"}),
        (source(JPEG_2000), {}),
        (source(EXPLICIT, flag=b"01"), {"LossyImageCompression": "01"}),
        (source(JPEG), {"LossyImageCompression": "01", "LossyImageCompressionMethod": "ISO_10918_1"}),
        (source(JPEG, flag=b"00"), {"LossyImageCompression": "01", "LossyImageCompressionMethod": "ISO_10918_1"}),
        (source(JPEG_LS_LOSSY), {"LossyImageCompression": "01", "LossyImageCompressionMethod": "ISO_14495_1"}),
        (
            source(EXPLICIT, flag=b"01", ratio=b"8.5\\10 ", method=b"ISO_10918_1\\ISO_15444_1 "),
            {
                "LossyImageCompression": "01",
                "LossyImageCompressionRatio": [8.5, 10],
                "LossyImageCompressionMethod": ["ISO_10918_1", "ISO_15444_1"],
            },
        ),
        (source(JPEG_2000, flag=b"01", ratio=b"ten"), {"LossyImageCompression": "01"}),
    ],
)
def test_the_picture_says_what_the_source_knows(instance: Instance, said: dict[str, object]) -> None:
    dataset = lossy_compression(instance)
    assert {element.keyword: element.value for element in dataset} == said
