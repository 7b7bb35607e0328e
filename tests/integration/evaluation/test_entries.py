"""Which images are evaluated: folders and tables, and what is said about wrong ones."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.evaluation.entries import LabelError, entries_of_folder
from agent.evaluation.manifest import entries_of_manifest

Picture = Callable[[Path, int], Path]


@pytest.fixture
def table(folder: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Return `table(text)`: writes it as labels.csv beside the folder of 12 pictures."""
    assert folder.is_dir()

    def write(text: str) -> Path:
        path = tmp_path / "labels.csv"
        path.write_bytes(text.encode())
        return path

    return write


NORMAL, ILL = "NORMAL/IM-0000-0001.png", "PNEUMONIA/person0_virus_1.png"


class TestFolders:
    def test_labels_are_the_names_of_the_folders_in_a_stable_order(self, folder: Path) -> None:
        found = entries_of_folder(folder).entries
        assert [entry.label for entry in found] == [0] * 6 + [1] * 6
        assert [entry.name for entry in found] == sorted(entry.name for entry in found)

    def test_folders_may_lie_deeper_and_be_written_in_any_case(self, tmp_path: Path, picture: Picture) -> None:
        picture(tmp_path / "a/test/Normal/x/1.png", 1)
        picture(tmp_path / "b/pneumonia/bacteria/2.png", 1)
        assert [entry.label for entry in entries_of_folder(tmp_path).entries] == [0, 1]

    def test_litter_is_no_image_and_unlabelled_files_are_noted(self, folder: Path, picture: Picture) -> None:
        for name in (".DS_Store", "NORMAL/.hidden.png", "NORMAL/Thumbs.db", "__MACOSX/NORMAL/._1.png"):
            picture(folder / f"{name}.png", 1).rename(folder / name)
        picture(folder / "UNKNOWN/1.png", 1)
        found = entries_of_folder(folder)
        assert len(found.entries) == 12
        assert found.notes == ("1 files lie in neither NORMAL nor PNEUMONIA and were left out.",)

    def test_links_to_folders_are_followed_once(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "linked").mkdir()
        for name in ("NORMAL", "PNEUMONIA"):
            (tmp_path / "linked" / name).symlink_to(folder / name)
        (folder / "NORMAL/again").symlink_to(tmp_path / "linked")
        assert len(entries_of_folder(tmp_path / "linked").entries) == 12

    @pytest.mark.parametrize("missing", ["NORMAL", "PNEUMONIA"])
    def test_an_empty_class_is_refused_with_the_counts(self, folder: Path, missing: str) -> None:
        for path in (folder / missing).iterdir():
            path.unlink()
        with pytest.raises(LabelError, match=f"both classes.* 0 {missing}"):
            entries_of_folder(folder)

    def test_a_folder_without_class_folders_is_refused(self, folder: Path) -> None:
        with pytest.raises(LabelError, match="0 NORMAL, 0 PNEUMONIA"):
            entries_of_folder(folder / "NORMAL")

    def test_a_file_under_both_names_is_refused(self, folder: Path, picture: Picture) -> None:
        picture(folder / "NORMAL/PNEUMONIA/1.png", 1)
        with pytest.raises(LabelError, match="either NORMAL or PNEUMONIA"):
            entries_of_folder(folder)


class TestTables:
    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("between", [",", ";", "\t"])
    def test_any_usual_spelling_of_csv_is_read(
        self, table: Callable[[str], Path], folder: Path, between: str, end: str, mark: str
    ) -> None:
        rows = (
            ("File", "LABEL", "patient", "Ward"),
            (NORMAL, "normal", "a", "x"),
            (ILL, "1", "b", "y"),
            ("", "", "", ""),
        )
        path = table(mark + end.join(between.join(row) for row in rows) + end)
        first, second = entries_of_manifest(path, folder).entries
        assert (first.label, first.patient, first.columns) == (0, "a", {"ward": "x"})
        assert (second.label, second.path) == (1, folder / ILL)

    def test_all_problems_are_said_at_once_by_row(self, table: Callable[[str], Path], folder: Path) -> None:
        path = table(
            f"file,label\n{NORMAL},NORMAL\n{ILL},maybe\nabsent.png,1\n,0\n{NORMAL},0\n{ILL},1,more\n"
            f"./{NORMAL},PNEUMONIA\n{ILL},1\n"
        )
        with pytest.raises(LabelError) as caught:
            entries_of_manifest(path, folder)
        said = str(caught.value).splitlines()
        assert said[0] == "labels.csv has 6 problem(s):"
        expected = ["maybe", "absent.png", "expected a file", "also in row 2", "Received: 3", "also in row 2"]
        for line, row, part in zip(said[1:], (3, 4, 5, 6, 7, 8), expected, strict=True):
            assert line.startswith(f"  row {row}: ")
            assert part in line

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "the columns file and label"),
            ("file,truth\n", "the columns file and label"),
            ("file,label,label\n", "the columns file and label"),
            ("file,label,\n", "the columns file and label"),
            ("file,label\n", "0 NORMAL, 0 PNEUMONIA"),
            (f"file,label\n{NORMAL},0\n", "1 NORMAL, 0 PNEUMONIA"),
            ('file,label\n"x,0\n', "a table in CSV"),
        ],
    )
    def test_what_is_no_usable_table_is_refused(
        self, table: Callable[[str], Path], folder: Path, text: str, said: str
    ) -> None:
        with pytest.raises(LabelError, match=said):
            entries_of_manifest(table(text), folder)

    def test_a_table_that_is_no_text_is_refused(self, folder: Path) -> None:
        with pytest.raises(LabelError, match="UTF-8"):
            entries_of_manifest(folder / NORMAL, folder)

    def test_a_long_list_of_problems_is_cut(self, table: Callable[[str], Path], folder: Path) -> None:
        path = table("file,label\n" + "absent,0\n" * 50)
        with pytest.raises(LabelError, match="and 30 more"):
            entries_of_manifest(path, folder)

    def test_columns_that_tell_who_somebody_is_make_no_groups(self, table: Callable[[str], Path], folder: Path) -> None:
        path = table(f"file,label,patient_name,ward\n{NORMAL},0,Doe^Jane,x\n{ILL},1,Doe^John,y\n")
        found = entries_of_manifest(path, folder)
        assert [dict(entry.columns) for entry in found.entries] == [{"ward": "x"}, {"ward": "y"}]
        assert found.notes == ("No subgroups by the column patient_name: it tells who a patient is.",)

    def test_columns_of_many_values_make_no_groups(self, tmp_path: Path, picture: Picture) -> None:
        rows = [f"{picture(tmp_path / f'{n}.png', n).name},{n % 2},{n},{n}" for n in range(30)]
        path = tmp_path / "labels.csv"
        path.write_text("file,label,number,age\n" + "\n".join(rows), encoding="utf-8")
        found = entries_of_manifest(path, tmp_path)
        assert all(set(entry.columns) == {"age"} for entry in found.entries)
        assert "30 different values" in found.notes[0]
