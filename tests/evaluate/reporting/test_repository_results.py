"""RESULTS.md of the repository from the reports of experiment folders."""

import pytest

from speaker_bases.evaluate.reporting.repository_results import main

REPORT = """\
# Results on librispeech

Read speech.

Last command: `./run.sh --corpus librispeech`. Scores of 2026-01-02.

## Trial list test-other, cosine

| system | EER % |
| --- | ---: |
| softmax | 9.99 |

## Figures

![DET curves](figures/det.png)
"""


@pytest.fixture
def write(tmp_path, project_root):
    def run(*texts, out=tmp_path / "RESULTS.md"):
        folders = []
        for number, text in enumerate(texts):
            folder = tmp_path / f"exp{number}"
            folder.mkdir(exist_ok=True)
            if text is not None:
                (folder / "RESULTS.md").write_text(text)
            folders.append(str(folder))
        code = main([*folders, "--conf", str(project_root / "conf"), "--out", str(out)])
        return code, out.read_text() if out.exists() else None

    return run


def test_reports_stand_with_command_date_and_list_but_without_figures(write):
    code, text = write(REPORT)
    assert code == 0
    part = text.split("\n## librispeech\n")[1]
    assert "Last command: `./run.sh --corpus librispeech`. Scores of 2026-01-02." in part
    assert "### Trial list test-other, cosine" in part and "| softmax | 9.99 |" in part
    assert "igure" not in part
    assert "evaluate.reporting.repository_results" in text.split("\n## ")[0]


def test_what_was_not_run_says_so_row_by_row(write):
    text = write(REPORT)[1]
    vox1, vox2 = (
        text.split(f"\n## {name}\n")[1].split("\n## ")[0] for name in ("voxceleb1", "voxceleb2")
    )
    assert "Not run here." in vox1 and "Not run here." in vox2
    assert "| Proposed 2 | L_H + L_BC | vox1-o | 5.55 | not run |" in vox1
    for row in (
        "| centre | L_S + L_C | vox1-h | 5.19 | not run |",
        "| L_BC + L_H, H = 100 | L_BC + L_H | vox1-e | 2.71 | not run |",
        "| L_BC + L_H, H = 50 | L_BC + L_H | vox1-o | 2.66 | not run |",
    ):
        assert row in vox2
    assert vox2.count("not run |") == 9


def test_a_report_on_a_paper_corpus_takes_the_place_of_not_run(write):
    text = write(REPORT.replace("librispeech", "voxceleb1"))[1]
    assert "Not run here." not in text.split("\n## voxceleb2\n")[0]
    assert text.index("\n## voxceleb1\n") < text.index("\n## voxceleb2\n")


@pytest.mark.parametrize(
    "texts, reason",
    [
        ([None], "exp0/RESULTS.md: no such report; run stage 5 first"),
        (["# Something else\n"], "exp0/RESULTS.md:1: expected '# Results on <corpus>'"),
        ([REPORT, REPORT], "exp1: a second report on librispeech"),
    ],
)
def test_what_is_no_report_is_refused(write, texts, reason, capsys):
    assert write(*texts) == (1, None)
    assert reason in capsys.readouterr().err


def test_sections_with_marked_tables_are_kept(write, tmp_path):
    section = "## Seeds\n\n<!-- begin seeds: made by x -->\n| 1 |\n<!-- end seeds -->\n"
    (tmp_path / "RESULTS.md").write_text(f"# Results\n\n## librispeech\n\nold\n\n{section}")
    for _ in range(2):
        code, text = write(REPORT)
        assert code == 0
        assert text.endswith(f"\n\n{section}") and text.count("## Seeds") == 1
        assert "9.99" in text and "old" not in text
