"""A Part 10 file that somebody sends, on its way to becoming one of ours: the same dataset, our file meta information.

The same dataset makes the same file whichever way it came, so its sender's file meta information is not kept.
"""

from typing import Final

from dicom_io.errors import HeaderError
from dicom_io.file_meta import FileMeta, encode_file_meta, read_file_meta

HEAD: Final = 1 << 16
"""How many bytes are looked at to know the Instance: file meta information and the first elements are in them."""


def our_beginning(head: bytes) -> tuple[FileMeta, bytes]:
    """Return what the file's first bytes (`HEAD`, or all of a shorter one) say, and what of ours stands for them.

    Raises HeaderError for what is no Part 10 file.
    """
    meta = read_file_meta(head)
    if meta.dataset_offset >= len(head):
        message = f"expected a dataset within the first {HEAD} bytes. Received: none"
        raise HeaderError(message)
    ours = encode_file_meta(meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid)
    return meta, ours + head[meta.dataset_offset :]
