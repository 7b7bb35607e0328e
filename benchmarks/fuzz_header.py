"""Read headers of DICOM files that atheris makes up, guided by what they reach in the reading code.

    pip install atheris
    python benchmarks/fuzz_header.py CORPUS -max_total_time=600 -timeout=5 -rss_limit_mb=512 -max_len=65536

CORPUS is a folder of seeds, to which atheris adds. Anything but a header or a HeaderError is a finding, and so are more
than five seconds or half a gigabyte.
"""

import sys

import atheris

with atheris.instrument_imports(include=["dicom_io"]):
    from dicom_io.errors import HeaderError
    from dicom_io.file_meta import read_file_meta
    from dicom_io.header import read_header


def read(data: bytes) -> None:
    """Read the header and the file meta information of one input."""
    for read_part in (read_header, read_file_meta):
        try:
            read_part(data)
        except HeaderError:
            continue


if __name__ == "__main__":
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()
