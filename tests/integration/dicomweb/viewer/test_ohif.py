"""In OHIF, in a browser: a Study is found, loaded and painted, and the viewer's pixels are the stored ones."""

import hashlib
import io
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from playwright.sync_api import Page
from pydicom import dcmread
from pydicom.data import get_testdata_file

Web = Any  # tests/integration/dicomweb/conftest.py
Eventually = Callable[..., None]

VIEWPORT = "window.cornerstone?.getRenderingEngines()?.[0]?.getViewports()?.[0]"
LOADED = f"!!{VIEWPORT}?.getImageData?.()?.scalarData?.length"
DIGEST = f"""(async () => {{
  const data = Uint16Array.from({VIEWPORT}.getImageData().scalarData);
  const digest = await crypto.subtle.digest('SHA-256', data.buffer);
  return [...new Uint8Array(digest)].map((one) => one.toString(16).padStart(2, '0')).join('');
}})()"""
PLACE = """(() => {
  const place = document.querySelector('canvas.cornerstone-canvas').getBoundingClientRect();
  return [place.left, place.top, place.right, place.bottom];
})()"""

pytestmark = [pytest.mark.tools, pytest.mark.viewer]


@pytest.mark.parametrize("name", ["RG1_UNCI.dcm", "RG1_J2KR.dcm"])
def test_a_study_is_painted_with_the_pixels_that_are_stored(
    ohif: tuple[str, Web], new_page: Callable[..., Page], eventually: Eventually, name: str
) -> None:
    origin, web = ohif
    dataset = dcmread(str(get_testdata_file(name, download=False)))
    token = web.token()
    DICOMwebClient(web.url, headers={"Authorization": f"Bearer {token}"}).store_instances([dataset])
    page = new_page(f"{origin}/viewer?StudyInstanceUIDs={dataset.StudyInstanceUID}&token={token}", watched=False)

    def loaded() -> bool:
        """Tell whether OHIF has the pixels of the Study."""
        return bool(page.evaluate(LOADED))

    eventually(loaded)
    assert page.evaluate(DIGEST) == hashlib.sha256(dataset.pixel_array.astype("<u2").tobytes()).hexdigest()
    assert token not in page.evaluate("location.href")

    looks = itertools.count(1)

    def painted() -> bool:
        """Tell whether a radiograph is seen in the viewport: many grays, neither dark nor white as a whole.

        The pixels are there by now. Should OHIF, on a busy machine, have painted before it knew its size, that changes.
        """
        if (look := next(looks)) % 50 == 0:
            page.set_viewport_size({"width": 1366, "height": 700 + look // 50})
        seen = Image.open(io.BytesIO(page.screenshot())).convert("L").crop(page.evaluate(PLACE))
        grays = np.asarray(seen)
        return len(np.unique(grays)) > 150 and 30 < grays.mean() < 225

    eventually(painted)
