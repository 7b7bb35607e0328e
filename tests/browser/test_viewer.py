"""The viewer in a real browser: it shows what the server decoded, does what its controls say, and says why not."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, Route
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from db.attributes import InstanceAttributes
from db.outcome import Outcome
from dicom_io.viewing import read_view
from dicom_io.voi import Window
from model.heat_map import to_png

Ledger = Any  # tests/fixtures/served.py
NewPage = Callable[..., Page]
UID = "1.2.826.0.1.3680043.10.1505.1"
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
ROWS, COLUMNS = 24, 32
ACTIVE = "document.getElementById('viewer').viewer.active"
SEEN = """async ({number, frame, window, invert}) => {
  const { active } = document.getElementById("viewer").viewer;
  const images = JSON.parse(document.getElementById("viewer").dataset.images);
  await active.show(images[number], frame);
  active.viewport.setProperties({ interpolationType: 0 });
  if (window !== null) active.window = window;
  if (invert) active.inverted = true;
  active.scale = 8;
  active.viewport.getRenderingEngine().renderViewports([active.id]);
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const { canvas } = active.viewport;
  const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const { data } = context.getImageData(0, 0, copy.width, copy.height);
  const { rows, columns, spacing } = active.frame;
  const ratio = canvas.width / active.stage.clientWidth;
  const pixels = [];
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const world = [(column + 0.5) * spacing[1], (row + 0.5) * spacing[0], 0];
      const [x, y] = active.viewport.worldToCanvas(world).map((value) => Math.floor(value * ratio));
      pixels.push(...data.slice(4 * (y * canvas.width + x), 4 * (y * canvas.width + x) + 3));
    }
  }
  return pixels;
}"""
"""What stands on the screen in the middle of each pixel of a frame: red, green and blue."""

pytestmark = pytest.mark.tools


def dicom(pixels: np.ndarray[Any, Any], syntax: str = ExplicitVRLittleEndian, **attributes: Any) -> bytes:
    """Return an image as a DICOM file."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3.4"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = ROWS, COLUMNS
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    if "NumberOfFrames" not in attributes and pixels.ndim == 3 and pixels.shape[0] != ROWS:
        dataset.NumberOfFrames = pixels.shape[0]
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.HighBit = dataset.BitsStored - 1
    if syntax != ExplicitVRLittleEndian:
        dataset.compress(syntax, generate_instance_uid=False)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def lut(first: int, entries: list[int], bits: int) -> list[Dataset]:
    item = Dataset()
    item.add_new(0x00283002, "US", [len(entries), first, bits])
    item.add_new(0x00283006, "US", entries)
    return [item]


RAMP = np.linspace(0, 4095, ROWS * COLUMNS).astype(np.uint16).reshape(ROWS, COLUMNS)
SIGNED = (RAMP.astype(np.int16) - 2000).astype(np.int16)
TWELVE = {"BitsStored": 12, "WindowCenter": "1500", "WindowWidth": "2000"}
PALETTE = {
    f"{colour}PaletteColorLookupTable{what}": value
    for shift, colour in enumerate(("Red", "Green", "Blue"))
    for what, value in (
        ("Descriptor", [256, 0, 16]),
        ("Data", np.roll(np.arange(256) * 257, 80 * shift).astype("<u2").tobytes()),
    )
}
IMAGES = {
    "12 bits, with a window": dicom(RAMP, **TWELVE),
    "MONOCHROME1": dicom(RAMP, **TWELVE, PhotometricInterpretation="MONOCHROME1"),
    "signed, rescaled, no window": dicom(SIGNED, RescaleSlope="2", RescaleIntercept="-100"),
    "padding": dicom(np.where(RAMP < 500, 0, RAMP).astype(np.uint16), PixelPaddingValue=0),
    "sigmoid": dicom(RAMP, **TWELVE, VOILUTFunction="SIGMOID"),
    "VOI LUT": dicom(RAMP, BitsStored=12, VOILUTSequence=lut(100, [n * n % 4096 for n in range(3000)], 12)),
    "modality LUT": dicom(RAMP, BitsStored=12, ModalityLUTSequence=lut(0, [4095 - n // 2 for n in range(4096)], 16)),
    "RLE": dicom(RAMP, RLELossless, **TWELVE),
    "JPEG-LS": dicom(RAMP, JPEGLSLossless, **TWELVE),
    "8 bits": dicom((RAMP // 16).astype(np.uint8)),
    "palette": dicom((RAMP // 16).astype(np.uint8), PhotometricInterpretation="PALETTE COLOR", **PALETTE),
    "RGB": dicom(
        np.stack([RAMP // 16, RAMP[::-1] // 16, RAMP[:, ::-1] // 16], axis=-1).astype(np.uint8),
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=0,
    ),
    "32 bits": dicom(RAMP.astype(np.uint32) * 70_000),
    "frames": dicom(np.stack([RAMP, RAMP[::-1]]), **TWELVE),
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def receive(ledger: Ledger, *files: bytes, at: datetime, **said: Any) -> list[Any]:
    return [ledger.receive(UID, at=at, file=file, patient_id="P1", **said) for file in files]


def opened(new_page: NewPage, url: str, **options: Any) -> Page:
    page = new_page(f"{url}/studies/{UID}", **options)
    page.locator("#viewer.ready #pane-1[data-shown]").wait_for()
    return page


def test_every_pixel_on_the_screen_is_the_one_that_the_server_decoded(
    url: str, new_page: NewPage, ledger: Ledger, tmp_path: Path
) -> None:
    """Whatever the transfer syntax, the encoding and the window: as sent, with a reader's window, and inverted."""
    now = datetime.now(UTC)
    for name, file in IMAGES.items():
        frames = 2 if name == "frames" else 1
        ledger.receive(UID, at=now, file=file, attributes=InstanceAttributes(modality="CR", number_of_frames=frames))
    page = opened(new_page, url, width=1000, height=900)
    own = {"center": 700, "width": 900}
    for number, (name, content) in enumerate(IMAGES.items()):
        path = tmp_path / "image.dcm"
        path.write_bytes(content)
        function = {"sigmoid": "SIGMOID", "12 bits, with a window": "LINEAR"}.get(name)
        for frame in range(2 if name == "frames" else 1):
            asked = {"number": number, "frame": frame + 1, "window": None, "invert": False}
            shown = read_view(path, frame)
            coloured = shown if shown.ndim == 3 else np.stack([shown] * 3, axis=-1)
            assert page.evaluate(SEEN, asked) == coloured.reshape(-1).tolist(), name
        if function is not None:
            expected = read_view(path, 0, Window(own["center"], own["width"], function))
            assert page.evaluate(SEEN, {**asked, "window": own})[::3] == expected.reshape(-1).tolist(), name
            assert (
                page.evaluate(SEEN, {**asked, "invert": True})[::3] == (255 - read_view(path, 0)).reshape(-1).tolist()
            )


def middle(page: Page) -> tuple[float, float]:
    box = page.locator("#pane-1 .stage").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, right: float, down: float, button: Any = "left") -> None:
    x, y = middle(page)
    page.mouse.move(x, y)
    page.mouse.down(button=button)
    page.mouse.move(x + right / 2, y + down / 2)
    page.mouse.move(x + right, y + down)
    page.mouse.up(button=button)


def test_a_reader_windows_by_dragging_by_numbers_and_by_the_windows_of_the_file(
    url: str, new_page: NewPage, ledger: Ledger
) -> None:
    receive(ledger, dicom(RAMP, **TWELVE), at=datetime.now(UTC))
    page = opened(new_page, url)
    window = f"{ACTIVE}.window"
    assert page.evaluate(window) == {"center": 1500, "width": 2000}
    drag(page, 60, 30)
    dragged = page.evaluate(window)
    assert dragged["width"] > 2000
    assert dragged["center"] > 1500
    page.fill("[name=center]", "1000")
    page.press("[name=center]", "Tab")
    page.fill("[name=width]", "500")
    page.press("[name=width]", "Tab")
    assert page.evaluate(window) == pytest.approx({"center": 1000, "width": 500})
    assert page.input_value("[name=preset]") == ""
    page.select_option("[name=preset]", label="As sent")
    assert page.evaluate(f"{ACTIVE}.asSent")
    page.select_option("[name=preset]", label="All values")
    assert page.evaluate(window) == pytest.approx({"center": 2047.5, "width": 4095})


def test_a_reader_zooms_pans_and_inverts_with_pointer_and_keys(url: str, new_page: NewPage, ledger: Ledger) -> None:
    receive(ledger, dicom(RAMP, **TWELVE), at=datetime.now(UTC))
    page = opened(new_page, url)
    stage, scale = page.locator("#pane-1 .stage"), f"{ACTIVE}.scale"
    height = page.evaluate(f"{ACTIVE}.stage.clientHeight")
    fitted = page.evaluate(scale)
    assert fitted == pytest.approx(height / ROWS, rel=0.01)
    stage.focus()
    page.keyboard.press("1")
    assert page.evaluate(scale) == 1
    page.keyboard.press("+")
    assert page.evaluate(scale) == pytest.approx(1.25)
    page.mouse.move(*middle(page))
    page.mouse.wheel(0, -100)  # Playwright does not wait until it has been taken
    page.wait_for_function(f"Math.abs({scale} - 1.25) > 1e-6")
    place = f"{ACTIVE}.viewport.worldToCanvas([0, 0, 0])[0]"
    before = page.evaluate(place)
    page.keyboard.press("ArrowRight")
    assert page.evaluate(place) < before
    moved = page.evaluate(place)
    drag(page, 40, 0, "middle")
    assert page.evaluate(place) == pytest.approx(moved + 40, abs=1)
    page.keyboard.press("f")
    assert page.evaluate(scale) == pytest.approx(fitted)
    page.keyboard.press("i")
    assert page.evaluate(f"{ACTIVE}.inverted")
    assert page.get_attribute("[data-do=invert]", "aria-pressed") == "true"
    page.keyboard.press("r")
    assert not page.evaluate(f"{ACTIVE}.inverted")


def test_a_length_says_what_it_is(url: str, new_page: NewPage, ledger: Ledger) -> None:
    detector = dicom(RAMP, **TWELVE, ImagerPixelSpacing=["0.2", "0.2"])
    receive(ledger, detector, dicom(RAMP, **TWELVE), at=datetime.now(UTC))
    page = opened(new_page, url)
    ten_pixels = 10 * page.evaluate(f"{ACTIVE}.scale")
    page.locator("#pane-1 .stage").focus()
    page.keyboard.press("l")
    drag(page, ten_pixels, 0)
    said = page.locator("#pane-1 svg text")
    said.wait_for()
    assert said.text_content() == "2.0 mm at the detector"
    assert "at the detector" in page.inner_text(".measure")
    page.keyboard.press("Delete")
    said.wait_for(state="detached")
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    page.locator("#pane-1 svg text", has_text="°").wait_for()
    page.keyboard.press("n")
    page.locator("#pane-1[data-shown='Image 2']").wait_for()
    page.keyboard.press("l")
    drag(page, ten_pixels, 0)
    page.locator("#pane-1 svg text", has_text="10 pixels, not calibrated").wait_for()
    assert page.inner_text(".measure") == "Not calibrated: lengths are in pixels."


def test_the_heat_map_lies_over_the_whole_of_a_flagged_image_when_it_is_asked_for(
    url: str, new_page: NewPage, ledger: Ledger, client: httpx.Client
) -> None:
    now = datetime.now(UTC) - timedelta(hours=1)
    flagged, other, declined = receive(ledger, *[dicom(RAMP, **TWELVE)] * 3, at=now)
    half = np.zeros((156, 156), np.uint8)
    half[:, :78] = 255
    ledger.score(flagged, Outcome.FLAGGED, probability=0.9, at=now, heat_map=to_png(half))
    ledger.score(other, Outcome.NOT_FLAGGED, probability=0.1, at=now)
    ledger.score(declined, Outcome.NOT_ANALYSED, reason="burned-in text", at=now)
    ledger.conclude(flagged.study_id, at=now + timedelta(minutes=1))
    for number in (2, 3):
        assert client.get(f"/studies/{UID}/instances/{UID}.{number}/heat-map").status_code == 404
    page = opened(new_page, url)
    heat, caveat = page.locator("#pane-1 .heat"), page.locator(".heat-caveat")
    assert heat.is_hidden()
    assert caveat.is_hidden()
    page.click("[data-do=heat]")
    heat.wait_for(state="visible")
    assert "not where disease is" in caveat.inner_text()
    alpha = f"""([column, row]) => {{
      const {{ viewport, stage, heat }} = {ACTIVE};
      const ratio = heat.canvas.width / stage.clientWidth;
      const [x, y] = viewport.worldToCanvas([column, row, 0]).map((value) => Math.round(value * ratio));
      const context = Object.assign(document.createElement("canvas"), {{ width: 1, height: 1 }}).getContext("2d");
      context.drawImage(heat.canvas, -x, -y);
      return context.getImageData(0, 0, 1, 1).data[3];
    }}"""
    corners = {(0.2, 0.2): True, (0.2, ROWS - 0.2): True, (COLUMNS / 2 - 1, 12): True}
    corners |= {(COLUMNS / 2 + 1, 12): False, (COLUMNS - 0.2, 0.2): False, (-0.3, 12): False}
    for step in ("", f"{ACTIVE}.zoom(2)", f"{ACTIVE}.pan(2, -1)"):
        if step:
            page.evaluate(step)
            page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        for place, hot in corners.items():
            on_screen = f"(([c, r]) => {{ const [x, y] = {ACTIVE}.viewport.worldToCanvas([c, r, 0]); \
                return x > 0 && y > 0 && x < {ACTIVE}.stage.clientWidth && y < {ACTIVE}.stage.clientHeight; }})"
            if page.evaluate(on_screen, list(place)):
                assert (page.evaluate(alpha, list(place)) > 60) is hot, (step, place)
    strong = page.evaluate(alpha, [8, 12])
    page.locator("[name=opacity]").fill("10")
    assert page.evaluate(alpha, [8, 12]) < strong / 2
    page.press("[name=opacity]", "n")
    page.locator(".no-heat", has_text="This image was not flagged").wait_for()
    assert heat.is_hidden()
    page.click("[data-do=next]")
    page.locator(".no-heat", has_text="This image was not analysed").wait_for()


def test_what_cannot_be_shown_says_why(
    url: str, new_page: NewPage, ledger: Ledger, store: Path, complaints: list[str]
) -> None:
    now = datetime.now(UTC)
    receive(ledger, dicom(RAMP, **TWELVE), dicom(RAMP, **TWELVE)[:-200], dicom(RAMP, **TWELVE), at=now)
    (store / f"00/{3:064x}.dcm").unlink()
    page = opened(new_page, url)
    message = page.locator("#pane-1 .message")
    assert message.is_hidden()
    page.click(".strip li:nth-child(2) button")
    page.locator("#pane-1 .message", has_text="This image cannot be shown: pixel data is truncated.").wait_for()
    page.click(".strip li:nth-child(3) button")
    page.locator("#pane-1 .message", has_text="The stored file of this object is gone or damaged.").wait_for()
    page.click(".strip li:nth-child(1) button")
    message.wait_for(state="hidden")
    assert all("status of 4" in complaint for complaint in complaints)
    complaints.clear()


def test_no_image_stands_under_the_name_of_another_while_that_is_loading_nor_goes_while_others_are_looked_at(
    url: str, new_page: NewPage, ledger: Ledger, complaints: list[str]
) -> None:
    receive(ledger, *[dicom(RAMP, **TWELVE)] * 7, at=datetime.now(UTC))
    page = opened(new_page, url)
    waiting: list[Route] = []

    def keep(route: Route) -> None:
        waiting.append(route)

    page.route(f"**/{UID}.2/frames/1/values", keep)
    page.click(".strip li:nth-child(2) button")
    page.locator("#pane-1 .message", has_text="Loading").wait_for()
    opacity = "getComputedStyle(document.querySelector('#pane-1 .stage')).opacity"
    assert page.evaluate(opacity) == "0"
    waiting[0].continue_()
    page.locator("#pane-1 .message").wait_for(state="hidden")
    page.wait_for_function(f"{opacity} === '1'")
    frames = page.evaluate(
        """async () => {
          const { panes } = document.getElementById("viewer").viewer;
          const images = JSON.parse(document.getElementById("viewer").dataset.images);
          for (const image of images.slice(2)) await panes[1].show(image);
          panes[0].viewport.render();
          return panes.map((pane) => pane.frame !== undefined);
        }"""
    )
    assert (frames, complaints) == ([True, True], [])


def test_hostile_text_is_text_in_the_viewer_and_in_a_report(
    url: str, new_page: NewPage, ledger: Ledger, sr_file: Callable[..., bytes]
) -> None:
    now = datetime.now(UTC)
    windows = {"WindowCenter": ["1500", "100"], "WindowWidth": ["2000", "200"]}
    texts = {"WindowCenterWidthExplanation": ["NORMAL", HOSTILE[:60]], "SeriesDescription": HOSTILE[:60]}
    hostile = InstanceAttributes(modality="CR", series_description=HOSTILE, body_part_examined=HOSTILE)
    ledger.receive(UID, at=now, file=dicom(RAMP, **windows, **texts), attributes=hostile, patient_name=HOSTILE)
    ledger.receive(UID, at=now, file=dicom(RAMP, **windows, **texts), attributes=hostile, patient_name=HOSTILE)
    plain = {"candidate": False, "is_image": False, "sop_class_uid": "1.2.840.10008.5.1.4.1.1.88.34"}
    ledger.receive(UID, at=now, file=sr_file(HOSTILE), patient_name=HOSTILE, **plain)
    ledger.receive(f"{UID}.7", at=now, patient_name=HOSTILE, patient_id="", study_description=HOSTILE)
    page = opened(new_page, url)
    assert HOSTILE in page.inner_text(".strip li:nth-child(2)")
    assert page.locator("[name=preset] option").nth(1).text_content() == HOSTILE[:60]
    assert page.locator("main img[src=x], main script").count() == 0
    page.goto(f"{url}/studies/{UID}/instances/{UID}.3/report")
    assert page.inner_text("h1") == HOSTILE[:64]
    assert page.locator(".value", has_text="owned").inner_text() == HOSTILE
    assert page.locator("main img, main script").count() == 0
    assert page.title() == "Report - Tibabu"


def test_an_image_of_another_study_of_the_patient_stands_beside_and_says_that_it_does(
    url: str, new_page: NewPage, ledger: Ledger
) -> None:
    now = datetime.now(UTC)
    said = {"patient_id": "P1", "issuer_of_patient_id": "WARD", "patient_name": "Doe^Jane"}
    ledger.receive(UID, at=now, file=dicom(RAMP, **TWELVE), **said)
    ledger.receive(f"{UID}.2", at=now, study_date="20250102", **said)
    ledger.receive(f"{UID}.3", at=now, study_date="20240102", **{**said, "patient_name": "Roe^Jack"})
    ledger.receive(f"{UID}.4", at=now, study_date="20230102", **{**said, "issuer_of_patient_id": ""})
    page = opened(new_page, url)
    dates = page.locator("#study-others tbody tr td:first-child").all_inner_texts()
    assert dates == ["2025-01-02", "2024-01-02"]
    assert "says otherwise: name: Roe, Jack" in page.locator("#study-others tbody tr").nth(1).inner_text()
    page.click("[data-do=compare]")
    page.locator("#pane-2[data-shown]").wait_for()
    about = page.locator(".pane .about").all_inner_texts()
    assert about[0].startswith("Image 1")
    assert about[1].startswith("Other study, 2025-01-02")


def test_it_fits_a_phone_and_two_fingers_zoom(url: str, new_page: NewPage, ledger: Ledger) -> None:
    now = datetime.now(UTC)
    for image in receive(ledger, *[dicom(RAMP, **TWELVE)] * 4, at=now):
        ledger.score(image, Outcome.FLAGGED, probability=0.9, at=now)
    page = opened(new_page, url, width=390, height=800, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    x, y = middle(page)
    session = page.context.new_cdp_session(page)
    before = page.evaluate(f"{ACTIVE}.scale")

    def touch(kind: str, apart: float) -> None:
        points = [{"x": x - apart, "y": y, "id": 1}, {"x": x + apart, "y": y, "id": 2}] if apart else []
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 30)
    for apart in (45, 60, 75, 90):
        touch("touchMove", apart)
    touch("touchEnd", 0)
    page.wait_for_function(f"{ACTIVE}.scale > {before}")


def test_news_of_the_images_is_announced_and_what_is_looked_at_stays(
    url: str, new_page: NewPage, ledger: Ledger
) -> None:
    now = datetime.now(UTC)
    receive(ledger, dicom(RAMP, **TWELVE), at=now)
    page = opened(new_page, url)
    page.evaluate(f"{ACTIVE}.window = {{ center: 700, width: 900 }}; undefined")
    assert page.locator(".news").is_hidden()
    receive(ledger, dicom(RAMP, **TWELVE), at=now)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.locator(".news").wait_for()
    assert page.evaluate(f"{ACTIVE}.window") == pytest.approx({"center": 700, "width": 900})
    page.click(".news a")
    page.locator(".strip li:nth-child(2)").wait_for()
