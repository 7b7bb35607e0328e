"""WADO-RS rendered and thumbnails: the picture is the image through its window, or through the one asked for."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from agent.dicomweb.rendered import PICTURES
from dicom_io.frames import read_frames

Web = Any  # tests/integration/dicomweb/conftest.py
Make = Callable[..., Dataset]


def place(dataset: Dataset) -> str:
    series = f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
    return f"{series}/instances/{dataset.SOPInstanceUID}"


def shown(answer: Any) -> NDArray[np.uint8]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return np.asarray(Image.open(io.BytesIO(answer.content)))


@pytest.fixture
def sent(viewer: DICOMwebClient, radiograph: Make) -> Dataset:
    dataset = radiograph()
    viewer.store_instances([dataset])
    return dataset


def test_a_png_is_the_image_through_its_window(web: Web, sent: Dataset) -> None:
    client = web.client(web.token(name="reads"))
    found = shown(client.get(f"{place(sent)}/rendered", headers={"Accept": "image/png"}))
    stored = np.frombuffer(sent.PixelData, "<u2").reshape(40, 32).astype(float)
    expected = np.floor(np.clip((stored - 2047.5) / 4095 + 0.5, 0, 1) * 255 + 0.5)
    assert np.array_equal(found, expected)


def test_dicomweb_client_gets_pictures(viewer: DICOMwebClient, sent: Dataset) -> None:
    uids = (sent.StudyInstanceUID, sent.SeriesInstanceUID, sent.SOPInstanceUID)
    for media_type, form in (("image/png", "PNG"), ("image/jpeg", "JPEG")):
        picture = viewer.retrieve_instance_rendered(*uids, media_types=(media_type,))
        assert Image.open(io.BytesIO(picture)).format == form
        picture = viewer.retrieve_instance_frames_rendered(*uids, [1], media_types=(media_type,))
        assert Image.open(io.BytesIO(picture)).size == (32, 40)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ("2048,1", lambda x: np.where(x > 2047.5, 255, 0)),
        ("1000,2000,linear", lambda x: np.floor(np.clip((x - 999.5) / 1999 + 0.5, 0, 1) * 255 + 0.5)),
        ("1000,2000,linear-exact", lambda x: np.floor(np.clip((x - 1000) / 2000 + 0.5, 0, 1) * 255 + 0.5)),
        ("1000,2000,SIGMOID", lambda x: np.floor(255 / (1 + np.exp(-4 * (x - 1000) / 2000)) + 0.5)),
    ],
)
def test_another_window_is_that_of_the_standard(
    web: Web, sent: Dataset, window: str, expected: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> None:
    client = web.client(web.token(name="reads"))
    answer = client.get(f"{place(sent)}/rendered", params={"window": window}, headers={"Accept": "image/png"})
    stored = np.frombuffer(sent.PixelData, "<u2").reshape(40, 32).astype(float)
    assert np.array_equal(shown(answer), expected(stored))


def test_a_viewport_scales_cuts_and_flips(web: Web, sent: Dataset) -> None:
    client = web.client(web.token(name="reads"))

    def asked(viewport: str) -> NDArray[np.uint8]:
        query = {"viewport": viewport}
        return shown(client.get(f"{place(sent)}/rendered", params=query, headers={"Accept": "image/png"}))

    whole = shown(client.get(f"{place(sent)}/rendered", headers={"Accept": "image/png"}))
    assert asked("16,16").shape == (16, 13)
    assert asked("64,1000").shape == (80, 64)
    assert np.array_equal(asked("8,10,4,5,8,10"), whole[5:15, 4:12])
    assert np.array_equal(asked("8,10,4,5,-8,-10"), whole[5:15, 4:12][::-1, ::-1])


def test_a_thumbnail_is_small_and_stands_for_each_level(web: Web, sent: Dataset) -> None:
    client = web.client(web.token(name="reads"))
    study, series = f"/studies/{sent.StudyInstanceUID}", f"/series/{sent.SeriesInstanceUID}"
    for path in (study, study + series, place(sent), f"{place(sent)}/frames/1"):
        answer = client.get(f"{path}/thumbnail")
        assert answer.headers["content-type"] == "image/jpeg"
        assert max(shown(answer).shape) == 128
    assert max(shown(client.get(f"{study}/thumbnail?viewport=20,20")).shape) == 20


@pytest.mark.parametrize(
    "name", ["emri_small_jpeg_2k_lossless.dcm", "emri_small.dcm", "SC_rgb_rle_2frame.dcm", "rtdose_rle.dcm"]
)
def test_a_frame_of_many_is_that_frame(web: Web, viewer: DICOMwebClient, name: str) -> None:
    path = get_testdata_file(name, download=False)
    assert path is not None
    dataset = dcmread(str(path))
    dataset.SOPInstanceUID, dataset.StudyInstanceUID = generate_uid(), generate_uid()
    viewer.store_instances([dataset])
    frames = read_frames(Path(str(path)))
    client = web.client(web.token(name="reads"))
    for number in (1, len(frames)):
        answer = client.get(f"{place(dataset)}/frames/{number}/rendered", headers={"Accept": "image/png"})
        assert np.array_equal(shown(answer), frames[number - 1])
    assert client.get(f"{place(dataset)}/frames/{len(frames) + 1}/rendered").status_code == 406
    for none in ("0", "x", "-1", "1" * 20):
        assert client.get(f"{place(dataset)}/frames/{none}/rendered").status_code == 400


def test_what_cannot_be_shown_is_said(web: Web, viewer: DICOMwebClient, radiograph: Make, sent: Dataset) -> None:
    bare = radiograph()
    del bare.PixelData
    viewer.store_instances([bare])
    client = web.client(web.token(name="reads"))
    answer = client.get(f"{place(bare)}/rendered")
    assert (answer.status_code, answer.json()["detail"]) == (
        406,
        "expected an Instance that can be shown. Received: one with no pixel data",
    )
    assert client.get(f"/studies/{bare.StudyInstanceUID}/thumbnail").status_code == 404
    assert client.get(f"{place(sent)}/rendered", headers={"Accept": "video/mp4"}).status_code == 406


@pytest.mark.parametrize(
    "query",
    [
        "window=1",
        "window=a,b",
        "window=1,0",
        "window=1,0.5,linear",
        "window=1,1,cubic",
        "window=nan,1",
        "viewport=0,10",
        "viewport=9000,10",
        "viewport=1",
        "viewport=10,10,100,100,5,5",
        "viewport=a,b",
        "quality=0",
        "quality=101",
        "quality=00000000199999999999",
        "quality=best",
    ],
)
def test_parameters_that_make_no_sense_are_400(web: Web, sent: Dataset, query: str) -> None:
    assert web.client(web.token(name="reads")).get(f"{place(sent)}/rendered?{query}").status_code == 400


def test_the_quality_is_that_of_the_jpeg(web: Web, sent: Dataset) -> None:
    client = web.client(web.token(name="reads"))
    sizes = [len(client.get(f"{place(sent)}/rendered?quality={quality}").content) for quality in (5, 95)]
    assert sizes[0] < sizes[1]


def test_pictures_wait_for_each_other_because_each_may_take_much_memory(web: Web, sent: Dataset) -> None:
    """A viewport of 8192 x 8192 took 300 MB, for as many requests at once as are served."""
    client = web.client(web.token(name="reads"))
    with ThreadPoolExecutor(2) as threads:
        with PICTURES, PICTURES:
            answers = [threads.submit(client.get, f"{place(sent)}/{what}") for what in ("rendered", "thumbnail")]
            assert not wait(answers, timeout=0.5).done
        assert [answer.result().status_code for answer in answers] == [200, 200]
