"""The table of small pictures that stand for images on lists."""

from sqlalchemy import Column, ForeignKey, LargeBinary, Table

from db.metadata import metadata

thumbnail = Table(  # made once, when an image is analysed or first looked at; gone with its image
    "thumbnail",
    metadata,
    Column("instance_id", ForeignKey("instance.id"), primary_key=True),
    Column("jpeg", LargeBinary, nullable=False),
)
