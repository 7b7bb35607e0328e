"""Which fragment may follow which (PS3.8 annex E)."""

import pytest

from dicom_io.fragments import FragmentOrder, FragmentOrderError

COMMAND, COMMAND_END, DATASET, DATASET_END = 0x01, 0x03, 0x00, 0x02
MEGABYTE = 1 << 20


def sized(fragments: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    return [(context_id, header, 10) for context_id, header in fragments]


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
        order.check(sized(fragments), dataset_is_due=False, is_spooled=False)


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
        FragmentOrder().check(sized(fragments), dataset_is_due=False, is_spooled=False)


def test_a_command_where_a_dataset_is_due_is_told() -> None:
    order = FragmentOrder()
    order.check([(1, COMMAND_END, 9)], dataset_is_due=False, is_spooled=True)
    with pytest.raises(FragmentOrderError):
        order.check([(1, COMMAND_END, 9)], dataset_is_due=True, is_spooled=True)


@pytest.mark.parametrize("start", [[], [(1, COMMAND_END, 90)]], ids=["command set", "dataset"])
def test_what_is_held_in_memory_has_an_end(start: list[tuple[int, int, int]]) -> None:
    order = FragmentOrder()
    order.check(start, dataset_is_due=False, is_spooled=False)
    part = (1, DATASET if start else COMMAND, MEGABYTE)
    order.check([part] * 16, dataset_is_due=bool(start), is_spooled=False)
    with pytest.raises(FragmentOrderError, match="in memory"):
        order.check([part], dataset_is_due=bool(start), is_spooled=False)


def test_what_goes_to_a_file_may_be_as_long_as_it_likes() -> None:
    order = FragmentOrder()
    order.check([(1, COMMAND_END, 90)], dataset_is_due=False, is_spooled=True)
    order.check([(1, DATASET, MEGABYTE)] * 100, dataset_is_due=True, is_spooled=True)


def test_what_was_found_in_order_elsewhere_counts() -> None:
    order = FragmentOrder()
    order.took(1, 0x03)
    order.took(1, 0x00)
    assert not order.may_begin, "expected a dataset to be ended before the next command"
    with pytest.raises(FragmentOrderError):
        order.check(sized([(3, 0x02)]), dataset_is_due=True, is_spooled=True)
    order.took(1, 0x02)
    assert order.may_begin
