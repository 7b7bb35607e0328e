"""What performed procedure steps say of images: the rule of withdrawal and the rule of the end, case by case."""

import pytest

from db.closing import Steps
from db.performed import Image, Step, StepState, summary, withdrawal

IN_PROGRESS, COMPLETED, DISCONTINUED = StepState
WRONG = "withdrawn: incorrect worklist entry selected"


def step(uid: str, state: StepState, *named: str, ae: str = "A", code: str = "110514") -> Step:
    return Step(sop_instance_uid=uid, state=state, reason_code=code, calling_ae_title=ae, named=frozenset(named))


def image(uid: str, performed_step_uid: str = "", ae: str = "A") -> Image:
    return Image(sop_instance_uid=uid, performed_step_uid=performed_step_uid, calling_ae_title=ae)


@pytest.mark.parametrize(
    ("steps", "one", "expected"),
    [
        ([], image("i"), ""),
        ([step("s", IN_PROGRESS, "i")], image("i"), ""),
        ([step("s", COMPLETED, "i")], image("i"), ""),
        ([step("s", DISCONTINUED, "i")], image("i"), WRONG),
        ([step("s", DISCONTINUED, "j")], image("i"), ""),  # made by nobody that is known
        ([step("s", DISCONTINUED, "j")], image("i", "s"), WRONG),  # it says so itself
        ([step("s", DISCONTINUED, "i"), step("t", COMPLETED, "i")], image("i"), ""),
        ([step("s", DISCONTINUED)], image("i"), WRONG),  # nothing else can have made it
        ([step("s", DISCONTINUED)], image("i", ae="B"), ""),
        ([step("s", DISCONTINUED)], image("i", "unknown"), ""),
        ([step("s", DISCONTINUED), step("t", IN_PROGRESS)], image("i"), ""),
        ([step("s", DISCONTINUED, code="Zzyzx^Quentin")], image("i"), "withdrawn: discontinued at the modality"),
    ],
)
def test_an_image_is_withdrawn_when_all_that_made_it_was_discontinued(
    steps: list[Step], one: Image, expected: str
) -> None:
    assert withdrawal(steps, one) == expected


@pytest.mark.parametrize(
    ("steps", "images", "here", "expected"),
    [
        ([], [image("i")], {"i"}, Steps.NONE),
        ([step("s", IN_PROGRESS), step("t", COMPLETED, "i")], [image("i")], {"i"}, Steps.IN_PROGRESS),
        ([step("s", COMPLETED, "i")], [image("i")], {"i"}, Steps.HERE),
        ([step("s", COMPLETED, "i", "j")], [image("i")], {"i"}, Steps.MISSING),
        ([step("s", COMPLETED)], [image("i", "s")], set(), Steps.SILENT),  # it does not say how many there are
        ([step("s", COMPLETED, "i")], [image("i"), image("k")], {"i"}, Steps.SILENT),
        ([step("s", COMPLETED, "i")], [image("i"), image("k", "s")], {"i"}, Steps.SILENT),  # there may be more
        ([step("s", DISCONTINUED, "i", "never sent")], [], {"i"}, Steps.HERE),
        ([step("s", DISCONTINUED, "i")], [image("k")], {"i"}, Steps.SILENT),
        ([step("s", DISCONTINUED, "x"), step("t", COMPLETED, "i")], [image("i")], {"i"}, Steps.HERE),
    ],
)
def test_what_the_steps_say_together(steps: list[Step], images: list[Image], here: set[str], expected: Steps) -> None:
    assert summary(steps, images, here) is expected
