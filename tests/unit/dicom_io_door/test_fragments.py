"""Which fragment may follow which (PS3.8 annex E)."""

import pytest

from dicom_io.fragments import FragmentOrder, FragmentOrderError

COMMAND, COMMAND_END, DATASET, DATASET_END = 0x01, 0x03, 0x00, 0x02


@pytest.mark.parametrize(
    "pdus",
    [
        [[(1, COMMAND_END)]],
        [[(1, COMMAND_END)], [(3, COMMAND_END)]],
        [[(1, COMMAND), (1, COMMAND_END), (1, DATASET), (1, DATASET_END)]],
        [[(1, COMMAND)], [(1, COMMAND_END)], [(1, DATASET)], [(1, DATASET_END)], [(3, COMMAND_END), (3, DATASET_END)]],
        [[(1, COMMAND_END), (1, DATASET_END), (1, COMMAND_END), (1, DATASET_END)]],
        [[(1, COMMAND_END | 0xFC), (1, DATASET_END | 0xFC)]],
    ],
)
def test_messages_one_after_another_pass_however_they_are_parted(pdus: list[list[tuple[int, int]]]) -> None:
    order = FragmentOrder()
    for fragments in pdus:
        order.check(fragments, dataset_is_due=False)


@pytest.mark.parametrize(
    "fragments",
    [
        [(1, DATASET)],
        [(1, COMMAND), (1, DATASET)],
        [(1, COMMAND), (3, COMMAND_END)],
        [(1, COMMAND_END), (3, DATASET)],
        [(1, COMMAND_END), (1, DATASET), (1, COMMAND)],
        [(1, COMMAND_END), (1, DATASET), (3, DATASET_END)],
        [(1, COMMAND_END), (1, DATASET_END), (1, DATASET_END)],
    ],
)
def test_fragments_that_make_no_message_are_told(fragments: list[tuple[int, int]]) -> None:
    with pytest.raises(FragmentOrderError):
        FragmentOrder().check(fragments, dataset_is_due=False)


def test_a_command_where_a_dataset_is_due_is_told() -> None:
    order = FragmentOrder()
    order.check([(1, COMMAND_END)], dataset_is_due=False)
    with pytest.raises(FragmentOrderError):
        order.check([(1, COMMAND_END)], dataset_is_due=True)
