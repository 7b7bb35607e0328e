"""The public texts say what the program does: tables, names, links and settings are compared with the code."""

import re
from pathlib import Path

import pytest

from agent.cli.commands import COMMANDS
from agent.config.file import Config
from agent.forwarding.fields import FIELDS as FIELDS_OF_RULES
from agent.log_fields import FIELDS
from db.lifecycle import Event, State, step
from dicom_io.file_meta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_io.scp import ScpSettings

REPOSITORY = Path(__file__).parents[3]
LINK = r"\]\((?!https://)([^)#]*)#?([^)]*)\)"
TEXTS = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    *(str(path.relative_to(REPOSITORY)) for path in sorted((REPOSITORY / "docs").rglob("*.md"))),
)


def text(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def test_every_link_leads_to_a_file() -> None:
    """And within it to a heading. The site's own pages link to nothing but one another."""
    links = [(name, *link) for name in TEXTS for link in re.findall(LINK, text(name))]
    assert links
    for name, target, anchor in links:
        here = REPOSITORY / name
        path = (here.parent / target).resolve() if target else here
        assert path.is_file(), f"{name}: {target}"
        assert not name.startswith("docs/") or path.is_relative_to(REPOSITORY / "docs"), f"{name}: {target}"
        assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), f"{name}: {target}#{anchor}"


def anchors(page: str) -> set[str]:
    """Return what the headings of a page are reached by, as the site and code hosts both make it."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)) for heading in headings)
    return {re.sub(r"\s", "-", heading.strip().lower()) for heading in plain}


def test_the_site_has_every_page_in_its_order() -> None:
    order = re.findall(r"([\w/-]+\.md)$", text("mkdocs.yml"), re.MULTILINE)
    assert sorted(f"docs/{page}" for page in order) == sorted(name for name in TEXTS if name.startswith("docs/"))


def test_every_file_of_the_program_that_is_named_exists() -> None:
    for name in TEXTS:
        for named in re.findall(r"`((?:agent|benchmarks|db|deploy|dicom_io|docs|model|tests)/[\w/.-]+)`", text(name)):
            assert (REPOSITORY / named).exists(), f"{name}: {named}"


@pytest.mark.parametrize("name", ["README.md", "docs/operations.md", "docs/conformance.md", "docs/dicomweb.md"])
def test_every_setting_that_is_named_exists(name: str) -> None:
    """Settings are written `section.key`."""
    sections = {key: field.annotation for key, field in Config.model_fields.items()}
    for section, key in re.findall(rf"`({'|'.join(sections)})\.(\w+)(?: = [^`]*)?`", text(name)):
        annotation = sections[section]
        assert annotation is not None
        if hasattr(annotation, "model_fields"):
            assert key in annotation.model_fields, f"{section}.{key}"


def test_the_readme_has_the_two_commands_of_a_fresh_machine_in_its_first_screen() -> None:
    lines = text("README.md").splitlines()
    make = "python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt"
    assert f"{make} . && .venv/bin/tibabu demo" in lines[:30]
    assert f'{make} -e ".[test]" && .venv/bin/pytest' in lines[:30]
    assert any("docs/img/worklist.webp" in line for line in lines[:30])


def test_the_readme_names_every_command() -> None:
    table = text("README.md").partition("## Commands")[2].partition("\n## ")[0]
    assert set(COMMANDS) <= set(re.findall(r"`([\w-]+)", table))


def test_the_lifecycle_in_the_architecture_is_the_table_in_the_code() -> None:
    rows = [f"| from \\ event | {' | '.join(Event)} |"]
    for state in State:
        steps = [step(state, event) for event in Event]
        cells = ["-" if one is None else f"{one.to}{'*' if one.new_revision else ''}" for one in steps]
        rows.append(f"| {state} | {' | '.join(cells)} |")
    lines = text("docs/architecture.md").splitlines()
    start = lines.index(rows[0])
    assert [lines[start], *lines[start + 2 : start + 2 + len(State)]] == rows


def test_the_table_of_the_rules_fields_is_the_code() -> None:
    table = text("docs/routing.md").partition("## The fields")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(FIELDS_OF_RULES)
    for field in FIELDS_OF_RULES.values():
        (row,) = (line for line in table.splitlines() if line.startswith(f"| `{field.name}` |"))
        assert field.meaning in row
        assert ("any case" in row) is field.ignores_case


def test_the_fields_of_the_log_are_told_as_they_are() -> None:
    table = text("docs/logs.md").partition("## Fields")[2]
    assert re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE) == list(FIELDS.items())


def test_the_conformance_statement_gives_our_identity_and_limits() -> None:
    said, settings = text("docs/conformance.md"), ScpSettings()
    for fact in (
        IMPLEMENTATION_CLASS_UID,
        f"`{IMPLEMENTATION_VERSION_NAME}`",
        f"| {settings.maximum_pdu_size} bytes |",
        f"| {settings.maximum_associations} (",
        f"{settings.acse_timeout:g} s from the connection",
        f"{settings.dimse_timeout:g} s for a PDU",
        f"{settings.network_timeout:g} s of silence",
    ):
        assert fact in said, fact


def test_no_text_promises_what_nothing_here_may_imply() -> None:
    for name in TEXTS:
        said = text(name).lower()
        assert not re.search(r"\b(fda|ce[- ]mark(ed)?|510\(k\)|diagnoses|rules? out (disease|pneumonia))\b", said), name
