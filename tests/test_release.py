"""The files of a release agree: one version, one list of requirements, actions that cannot be exchanged."""

import importlib.util
import pathlib
import re
import tomllib

import pytest

import jaxloss

ROOT = pathlib.Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
yaml = pytest.importorskip("yaml")


def _module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _workflow(name):
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())


def test_the_version_stands_in_one_place():
    assert "version" not in PROJECT
    assert "version" in PROJECT["dynamic"]
    assert "version" not in yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert jaxloss.__version__ not in (ROOT / "conda" / "meta.yaml").read_text()


def test_a_citation_has_what_the_format_asks_for():
    """The required keys of the Citation File Format 1.2.0, with the project's licence."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation.keys() >= {"cff-version", "message", "title", "authors"}
    assert citation["license"] == PROJECT["license"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in PROJECT["authors"]]


def test_the_conda_recipe_asks_for_what_the_wheel_asks_for():
    text = (ROOT / "conda" / "meta.yaml").read_text()
    pattern = re.search(r"regex_pattern='(.+?)'", text).group(1)
    assert re.findall(pattern, (ROOT / "jaxloss" / "__init__.py").read_text()) == [jaxloss.__version__]
    text = re.sub(r"\{%.*%\}", "", text).replace("{{ version }}", jaxloss.__version__).replace("{{ PYTHON }}", "python")
    recipe = yaml.safe_load(text)
    needed = [*PROJECT["dependencies"], f"python{PROJECT['requires-python']}"]
    assert sorted(line.replace(" ", "") for line in recipe["requirements"]["run"]) == sorted(needed)
    assert recipe["about"]["license"] == PROJECT["license"]
    assert recipe["about"]["summary"] == PROJECT["description"]


def test_the_pythons_that_are_promised_are_the_pythons_that_are_tested():
    named = [c.split(" :: ")[-1] for c in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", c)]
    matrix = _workflow("tests")["jobs"]["quick"]["strategy"]["matrix"]
    assert matrix["python"] == named
    assert len(matrix["system"]) == 3
    assert PROJECT["requires-python"] == f">={named[0]}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_may_only_read(path):
    lines = [line for line in path.read_text().splitlines() if "uses:" in line and "uses: ./" not in line]
    assert lines
    for line in lines:
        assert re.fullmatch(r" +- uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), f"{path.name}: {line}"
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert "timeout-minutes" in job or "uses" in job, f"{path.name}: {name}"
        assert "permissions" not in job or (path.stem, name) == ("release", "publish")


def test_an_action_has_one_version():
    used = {}
    for path in WORKFLOWS:
        for action, version in re.findall(r"uses: (\S+)@(.+)$", path.read_text(), re.M):
            used.setdefault(action, set()).add(version)
    assert all(len(versions) == 1 for versions in used.values()), used


def test_only_the_job_that_uploads_has_an_identity_and_it_builds_nothing():
    publish = _workflow("release")["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["environment"] == "pypi"
    assert not any("run" in step or "password" in step.get("with", {}) for step in publish["steps"])


def test_a_release_is_tested_first():
    jobs = _workflow("release")["jobs"]
    assert jobs["tests"]["uses"] == "./.github/workflows/tests.yml"
    assert "tests" in jobs["publish"]["needs"]
    assert "workflow_call" in _workflow("tests")[True]  # YAML takes the key `on` for a boolean


def test_what_a_job_keeps_has_been_made():
    uploads = [
        (path.name, step["with"])
        for path in WORKFLOWS
        for job in yaml.safe_load(path.read_text())["jobs"].values()
        for step in job.get("steps", ())
        if "upload-artifact" in step.get("uses", "")
    ]
    assert len(uploads) > 1
    for name, options in uploads:
        assert options.get("if-no-files-found") == "error", name


def test_a_tag_is_refused_unless_it_is_the_version_and_the_changelog_has_it():
    faults = _module(ROOT / ".ci" / "tag.py").faults
    source, released = '__version__ = "1.2.0"\n', "## [Unreleased]\n\n## [1.2.0] - 2030-01-31\n"
    assert faults("v1.2.0", source, released) == []
    assert faults("v1.2.1", source, released) == ["the tag is v1.2.1, jaxloss/__init__.py has the version 1.2.0"]
    missing = "CHANGELOG.md has no section '## [1.2.0] - YEAR-MONTH-DAY'"
    assert faults("v1.2.0", source, released.replace("1.2.0", "1.1.0")) == [missing]
    assert faults("v1.2.0", source, released.replace("2030-01-31", "soon")) == [missing]


def test_the_changelog_keeps_its_form():
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    sections = [line for line in lines if line.startswith("## ")]
    assert sections[0] == "## [Unreleased]"
    for section in sections[1:]:
        assert re.fullmatch(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", section), section
    kinds = [line.removeprefix("### ") for line in lines if line.startswith("### ")]
    assert kinds
    assert set(kinds) <= set(KINDS)
    body = lines[lines.index(sections[0]) :]
    assert all(re.match(r"#|- |  \S|$", line) for line in body), "a change is an item of a list"


def test_a_report_of_a_wrong_number_asks_for_what_reproduces_it():
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "wrong_number.yml").read_text())
    required = {field["id"] for field in form["body"] if field["validations"]["required"]}
    assert required >= {"reproducer", "dtype", "shapes", "expected", "versions"}


def test_a_release_has_whole_links_and_the_urls_of_its_repository(monkeypatch):
    pytest.importorskip("hatchling")
    hook = _module(ROOT / "hatch_build.py")
    text = '[a](docs/a.md) [b](#b) [c](https://c.example/d) <img src="docs/e.png">'
    assert hook.whole_links(text, "https://r.example/r", "v1") == (
        "[a](https://r.example/r/blob/v1/docs/a.md) [b](#b) [c](https://c.example/d) "
        '<img src="https://r.example/r/raw/v1/docs/e.png">'
    )
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["metadata"]["hooks"]["custom"]
    for repository, urls in (("", False), ("someone/jaxloss", True)):
        monkeypatch.setenv("GITHUB_REPOSITORY", repository)
        monkeypatch.setenv("GITHUB_SERVER_URL", "https://r.example")
        metadata = {"version": "1.0"}
        hook.Release(str(ROOT), tool).update(metadata)
        assert ("urls" in metadata) == urls
        assert metadata["readme"]["text"].startswith("# jaxloss")
    assert metadata["urls"]["Issues"] == "https://r.example/someone/jaxloss/issues"
    assert "](docs/" not in metadata["readme"]["text"]
