"""The formats for other programs, the terminal, and the files."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import report_fleet
import xmlschema
from ansible_collections.infoprotect.aip.plugins.plugin_utils.report import (
    files,
    formats,
    html,
    markdown,
    model,
    terminal,
)
from ansible_collections.infoprotect.aip.plugins.plugin_utils.report.text import visible
from report_fleet import client, content, fleet

Data = dict[str, Any]
ROOT = Path(__file__).parents[3]
PUBLISHED = Path(__file__).parent / "published"
BOTH = pytest.mark.parametrize("name", ["sample", "hostile"])


@pytest.fixture
def made(name: str, request: pytest.FixtureRequest) -> Data:
    return request.getfixturevalue(name)  # type: ignore[no-any-return]


# -- JSON -------------------------------------------------------------------------------------------------------------


def test_the_queries_of_the_guide_find_something(sample: Data, tmp_path: Path) -> None:
    """As the guide has them, each by the command that it names."""
    guide = (ROOT / "docs/docsite/rst/guide_report.rst").read_text(encoding="utf-8")
    file = tmp_path / "report.json"
    file.write_text(json.dumps(sample), encoding="utf-8")
    queries = re.findall(r'\$ jp\.py -f aip-report/report\.json "(.+)"$', guide, re.MULTILINE)
    assert len(queries) > 3
    for query in queries:
        command = [sys.executable, str(Path(sys.executable).with_name("jp.py")), "-f", str(file), query]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        # a query for a field that there is not finds nothing, or null
        assert found and all(all(row.values()) for row in found), query


# -- CSV --------------------------------------------------------------------------------------------------------------


def rows_of(made: Data) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(formats.as_csv(made).removeprefix("\ufeff"), newline="")))


def test_csv_has_a_row_for_each_difference(sample: Data) -> None:
    rows = rows_of(sample)
    assert len([row for row in rows if row["kind"] == "host"]) == len(sample["hosts"])
    values = sum(len(state["values"]) for host in sample["hosts"] for state in host["domains"].values())
    assert len([row for row in rows if row["kind"] == "value"]) == values
    tenant = {row["item"]: row for row in rows if row["kind"] == "setting"}
    assert (tenant["super_user_group"]["host"], tenant["super_user_group"]["wanted"]) == (
        "adm01", "superusers@contoso.com",
    )  # fmt: skip
    assert tenant["super_user_feature"]["status"] == "changed" and len(tenant) == len(sample["service"]["settings"])
    (manual,) = [row for row in rows if row["kind"] == "manual"]
    assert (manual["host"], manual["item"], manual["wanted"]) == ("rmsc03", "install connector", "3.1.0 or later")
    (blocked,) = [row for row in rows if row["item"] == "server_installation"]
    assert (blocked["severity"], blocked["section"], blocked["before"]) == ("blocks", "Server support", "Server Core")


@BOTH
def test_no_cell_is_a_formula(made: Data) -> None:
    for row in rows_of(made):
        for cell in row.values():
            assert not re.match(r"\s*[=+\-@\t\r]", cell), cell


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", "\uff1d1", "%0A=1", "|calc"]
)
def test_a_formula_is_made_text(text: str) -> None:
    made = content({"inspections": {text: client("srv")}})
    assert {row["host"] for row in rows_of(made)} == {visible(text) if visible(text) != text else f"'{text}"}


def test_quotes_and_line_breaks_stay_in_their_cell() -> None:
    name = 'a"b\r\nc,"d'
    assert {row["host"] for row in rows_of(content({"inspections": {name: client("srv")}}))} == {visible(name)}


@pytest.mark.parametrize("write", [formats.as_csv, formats.as_junit, formats.as_sarif, markdown.as_markdown])
def test_nothing_of_a_host_is_invisible(hostile: Data, write: Callable[[Data], str]) -> None:
    """Or reorders the text around it. Only line feeds are left, which no text of a host has."""
    text = write(hostile).removeprefix("\ufeff").replace("\r\n", "\n")
    assert all(line == visible(line) for line in text.split("\n")) and "U+202E" in text
    if write is formats.as_sarif:
        assert not re.search(r"\\[nrtbfu]", text), "nor in an escape of JSON"
    if write is formats.as_csv:
        assert len(text.splitlines()) == len(rows_of(hostile)) + 1


# -- JUnit and SARIF --------------------------------------------------------------------------------------------------


@BOTH
def test_junit_matches_its_schema(made: Data) -> None:
    xmlschema.XMLSchema(str(PUBLISHED / "junit-10.xsd")).validate(formats.as_junit(made))


def test_junit_counts(sample: Data) -> None:
    root = ElementTree.fromstring(formats.as_junit(sample))
    suites = {suite.get("name"): suite for suite in root}
    assert set(suites) == {"protection_service", *(host["name"] for host in sample["hosts"])}
    for suite in (root, *root):
        assert suite.get("failures") == str(len(suite.findall(".//failure")))
        assert suite.get("tests") == str(len(suite.findall(".//testcase")))
    lost = suites["app09"].findall("testcase/failure")
    assert [failure.get("type") for failure in lost] == ["unreachable"]
    core = {case.get("name"): [child.tag for child in case] for case in suites["core01"]}
    assert core["tls"] == core["prerequisite server_installation"] == ["failure"]
    assert core["prerequisite subscription"] == ["skipped"] and core["inspection"] == []
    tenant = {case.get("name"): [child.tag for child in case] for case in suites["protection_service"]}
    assert tenant["super_user_group"] == ["failure"] and tenant["activated"] == [] and tenant["ipcv3"] == ["skipped"]
    restart = [case for case in suites["ts02"] if case.get("name") == "restart"]
    assert restart[0][0].get("message") == "A restart is pending: tls, tls_dotnet"


@BOTH
def test_sarif_matches_its_schema(made: Data) -> None:
    schema = json.loads((PUBLISHED / "sarif-schema-2.1.0.json").read_text(encoding="utf-8"))
    jsonschema.validators.validator_for(schema)(schema).validate(json.loads(formats.as_sarif(made)))


def test_sarif_levels_and_rules(sample: Data) -> None:
    (run,) = json.loads(formats.as_sarif(sample))["runs"]
    rules = run["tool"]["driver"]["rules"]
    levels: dict[str, set[str]] = {}
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        levels.setdefault(result["ruleId"], set()).add(result["level"])
    assert levels["server_installation"] == levels["host-unreachable"] == {"error"}
    assert levels["drift-tls"] == levels["session_host"] == levels["restart-pending"] == {"warning"}
    assert levels["subscription"] == {"note"} and levels["drift-protection_service"] == {"warning"}
    prints = [tuple(result["partialFingerprints"].values()) for result in run["results"]]
    assert len(set(prints)) == len(prints), "the next upload can match each result"


def test_sarif_results_keep_their_fingerprint_when_the_data_changes() -> None:
    def prints(before: int) -> list[str]:
        change = report_fleet.value("HKLM:\\SOFTWARE\\x", "y", before, 9)
        made = content({"inspections": {"srv": {**client("srv"), "domains": {"tls": report_fleet.domain([change])}}}})
        results = json.loads(formats.as_sarif(made))["runs"][0]["results"]
        return [result["partialFingerprints"]["infoprotect.aip/v1"] for result in results]

    assert prints(1) == prints(2)


def test_sarif_texts_have_no_links(hostile: Data) -> None:
    for result in json.loads(formats.as_sarif(hostile))["runs"][0]["results"]:
        assert "](" not in result["message"]["text"]


# -- Markdown ---------------------------------------------------------------------------------------------------------


def test_markdown_has_what_a_ticket_needs(sample: Data) -> None:
    text = markdown.as_markdown(sample)
    for expected in (
        "| `ex01` | blocked | `irm_server refused` |",
        "HKLM:\\SOFTWARE\\Microsoft\\MSIP (32-bit view) UseDefaultCredentialsInProxy: (absent) -> dword 1`",
        "## Prerequisites that are not met",
        "expired on 2026-10-31",
        "At least 2 of 3 members in service.",
        "Order of this run, one at a time: `rmsc03`, `rmsc02`",
        "| `rmsc02` | `running` | `3.0.0.0` | `expires 2026-12-17` | `differs` | `run 5f3a9c01 on awx-2,",
        "- `rmsc01`, `2026-11-29T08:51:00Z`: event 2001, `CONTOSO\\SP02$ asked and is not authorized.` (14 times)",
        "1. `Sign in to rmsc03.contoso.com",
        "Undo: `ansible-playbook -i INVENTORY infoprotect.aip.restore --limit fs02",
        "- Added: `app02`",
        "Activated. Tenant `5c6bb73b-1038-4eec-863d-49bded473437`.",
        "| `super_user_group` | `none` | `superusers@contoso.com` |",
        "| `super_user_feature` | `yes (set by this run)` |  |",
        "- Keys: `Archived, Microsoft-managed, created 2014-01-30`, `Active, Customer-managed (BYOK), created 2024-05-",
        "- Templates: `Confidential (published, default)`, `Projekt (archived, of a label)`",
        "- Exchange organization, through `ex02`: on, wanted on.",
        "- SharePoint farm, through `sp01`: not asked in this run, wanted on.",
        "| `app01` | `running` | `3.1.310.0` | `EU` | `discovery` | `12` | `since 2026-11-29T04:00:00Z, 228,043",
        "event 103, The repository \\\\files\\hr is not reachable.`",
        "- `adm01`: `change template Projekt: state`",
    ):
        assert expected in text, f"{expected}\n\n{text}"


def test_markdown_fits_into_a_comment() -> None:
    made = content(fleet(1000))
    assert len(markdown.as_markdown(made)) < 65_536 and "more hosts, see report.html" in markdown.as_markdown(made)
    long = {f"h{number}": {"failed": True, "msg": "x" * 4000} for number in range(100)}
    assert markdown.as_markdown(content({"inspections": long})).endswith("The rest is in report.html.\n")


def test_markdown_counts_what_it_leaves_out() -> None:
    """Of each list: differences of a host, events of a pool, errors of scanners."""
    events = [{"id": number, "time": "2026-11-29T08:51:00Z", "text": "x", "count": 1} for number in range(22)]
    values = [report_fleet.value("HKLM:\\SOFTWARE\\x", str(number), None, 1) for number in range(23)]
    differs = {**client("a"), "domains": {"tls": report_fleet.domain(values)}}
    connector = report_fleet.connector("b", report_fleet.connector_fact("3.1.0.0", events=events))
    scanner = client("c", facts={"scanner": report_fleet.scanner_fact(errors=events, problem="y")})
    text = markdown.as_markdown(content({"inspections": {"a": differs, "b": connector, "c": scanner}}))
    assert re.findall("^- and (.+) more, see report.html$", text, re.MULTILINE) == ["3", "2", "3"]


@pytest.mark.parametrize(("part", "bars"), [("hosts", 5), ("pools", 7), ("scanners", 8), ("service", 4)])
def test_markdown_has_data_in_code_spans_only(hostile: Data, part: str, bars: int) -> None:
    """Outside of code spans nothing of a host is left, so nothing can become a link, a mention or markup."""
    nothing = content({"inspections": {}})
    empty = {name: value for name, value in nothing.items() if name not in (part, "changes", "irm")}
    text = markdown.as_markdown({**hostile, **empty})
    assert text.count("\n|") > 10
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    for word in ("attacked", "script", "http", "@here", "7 * 7", "onerror"):
        assert word not in outside, outside
    for line in text.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"\|", line)) == bars, line


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a", "`a`"), ("a`b", "``a`b``"), ("`", "`` ` ``"), ("", "`(empty)`"), ("a\nb", "`a<U+000A>b`")],
)
def test_code_spans(text: str, expected: str) -> None:
    assert markdown.code(text) == expected


# -- the page, whose other tests need a browser (test_page.py) ---------------------------------------------------------


def test_page_has_the_nodes_of_a_cluster_once(sample: Data) -> None:
    (cluster,) = sample["scanner_clusters"]
    assert len(sample["scanners"]) > 1 and len(cluster["nodes"]) == 2
    text = html.as_html(sample)
    for node in cluster["nodes"]:
        assert text.count(f'<bdi>{node["name"]}</bdi> <span class="quiet"><bdi>{node["status"]}</bdi>') == 1


# -- the terminal -----------------------------------------------------------------------------------------------------


def test_table(sample: Data) -> None:
    assert terminal.table(sample) == [
        "HOST    STATUS       DIFFERS                              NOTES",
        "core01  blocked      client 1, client_settings 1, tls 16  blocked by server_installation; a restart"
        " will be needed",
        "ex01    blocked      irm_server refused                   blocked by exchange_version",
        "sp01    drifted      irm_server 1                         pending restart (windows_update)",
        "app03   drifted      scanner 1, tls unreadable",
        "fs01    drifted      client 1, client_settings 1, tls 16  a restart will be needed",
        "rmsc02  drifted      tls 16                               a restart of IIS is due for the connector",
        "rmsc03  drifted      connector manual",
        "app09   unreachable                                       ssl: HTTPSConnectionPool(host='app09', port=5986):"
        " connection timed out",
        "fs02    compliant                                         pending restart (tls)",
        "ts02    compliant                                         pending restart (tls, tls_dotnet)",
        "16 hosts: 8 compliant, 5 drifted, 2 blocked, 1 unreachable; 2 hosts changed; 3 pending restarts;"
        " 1 manual step; 4 prerequisites not met; 3 operator statements to make or renew; the protection service"
        " differs in 1 setting",
    ]


def test_the_outcome_names_what_is_left_to_the_hosts_of_the_run(sample: Data) -> None:
    """The plan has named the others: those that are blocked or lost, and what waits for a restart."""
    lines = terminal.outcome(sample, ["fs01", "fs02", "rmsc01"])
    assert [line.split("  ")[0] for line in lines] == ["HOST", "fs01", "fs02", lines[-1]]
    assert lines[-1] == terminal.total(sample)
    assert terminal.outcome(sample, []) == [terminal.total(sample)]


def test_the_outcome_of_check_mode_repeats_no_drift() -> None:
    failed = {"changed": False, "failed": True, "msg": "access is denied"}
    given = {"a": client("a", differs=True), "b": client("b", differs=True)}
    made = content({"inspections": given, "applied": {"b": failed}, "run": model.Run("site", True)})
    lines = terminal.outcome(made, ["a", "b"])
    assert len(lines) == 3 and lines[1].startswith("b     failed") and "access is denied" in lines[1]
    assert lines[-1].endswith("check mode, so nothing was changed")


def test_a_connector_that_does_not_serve_has_a_line() -> None:
    """Although nothing differs: a compliant host can have a stopped connector."""
    fact = report_fleet.connector_fact("3.1.0.0", status="stopped")
    head, line, _total = terminal.table(content({"inspections": {"rmsc01": report_fleet.connector("rmsc01", fact)}}))
    assert head.startswith("HOST") and line.endswith("connector stopped")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({}, ""),
        ({"tenant": {"activated": False}}, "; the protection service is not activated"),
        ({"msg": "AADSTS50126"}, "; the protection service could not be asked"),
    ],
)
def test_the_sum_names_what_is_wrong_with_the_protection_service(answer: Data, said: str) -> None:
    line = terminal.total(content({"inspections": {}, "plan": {"service": answer}}))
    assert line == f"0 hosts: none inspected{said}"


def test_table_of_a_compliant_fleet_is_one_line() -> None:
    (line,) = terminal.table(content({"inspections": {"a": client("a"), "b": client("b")}}))
    assert line.startswith("2 hosts: 2 compliant")


def test_table_of_no_hosts() -> None:
    assert terminal.table(content({"inspections": {}})) == ["0 hosts: none inspected"]


def test_table_has_a_line_for_each_host_that_differs() -> None:
    made = content(fleet(1000))
    differing = [host for host in made["hosts"] if host["status"] != "compliant" or host["restart"]["pending"]]
    lines = terminal.table(made)
    assert len(lines) == len(differing) + 2
    status = lines[0].index("STATUS")
    assert all(line[status - 2 : status] == "  " and line[status] != " " for line in lines[1:-1]), "aligned"


def test_a_host_cannot_control_the_terminal(hostile: Data) -> None:
    for line in (*terminal.table(hostile), *terminal.details(hostile)):
        assert line == visible(line), "no control or invisible character is left"
    assert all(len(line) < 300 for line in terminal.table(hostile)[:-1])


def test_details(sample: Data) -> None:
    lines = terminal.details(sample)
    assert "  app09:" not in lines and "app09:" in lines and "ts01:" in lines
    assert any(
        "session_host (advises)" in line and "[aip-requirements-2021.md, Server support]" in line for line in lines
    )


# -- the artifact of a job --------------------------------------------------------------------------------------------


def test_artifact(sample: Data) -> None:
    made = terminal.artifact(sample)
    assert made["names"]["blocked"] == ["core01", "ex01"] and made["restart_pending"] == 3 and "more" not in made


@pytest.mark.parametrize("count", [1, 1000])
def test_artifact_is_small(count: int) -> None:
    given = {**fleet(count), "unreachable": {"u" * 4000: "lost"}}
    made = terminal.artifact(content(given))
    assert len(json.dumps(made)) <= terminal.ARTIFACT_BYTES
    assert made["more"] and made["unreachable"] == 1
    if count == 1000:
        assert made["names"]["blocked"] and made["names"]["drifted"]


# -- the files --------------------------------------------------------------------------------------------------------


def write(made: Data, folder: Path, wanted: list[str] | None = None) -> dict[str, str]:
    return files.save(files.render(made, wanted or list(files.FORMATS)), folder)


def test_files_of_a_report(sample: Data, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "report"
    paths = write(sample, folder)
    assert {Path(path).name for path in paths.values()} == {path.name for path in folder.iterdir()} == {
        "report.html", "report.json", "report.csv", "junit.xml", "sarif.json", "report.md",
    }  # fmt: skip
    assert json.loads((folder / "report.json").read_text(encoding="utf-8")) == sample
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_report_json_is_the_only_source(sample: Data, tmp_path: Path) -> None:
    write(sample, tmp_path / "a")
    write(files.read(tmp_path / "a" / "report.json"), tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_only_the_wanted_formats(sample: Data, tmp_path: Path) -> None:
    assert list(write(sample, tmp_path, ["md", "csv"])) == ["csv", "md"]
    assert {path.name for path in tmp_path.iterdir()} == {"report.csv", "report.md"}


def test_a_file_keeps_the_mode_that_the_operator_set(sample: Data, tmp_path: Path) -> None:
    write(sample, tmp_path, ["md"])
    (tmp_path / "report.md").chmod(0o644)
    write(sample, tmp_path, ["md"])
    assert (tmp_path / "report.md").stat().st_mode & 0o777 == 0o644


def test_a_link_is_replaced_and_not_followed(sample: Data, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("precious")
    (tmp_path / "report.md").symlink_to(other)
    write(sample, tmp_path, ["md"])
    assert other.read_text() == "precious" and not (tmp_path / "report.md").is_symlink()
    assert (tmp_path / "report.md").stat().st_mode & 0o777 == 0o600


def test_a_failure_leaves_the_files_as_they_were(sample: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report.md").write_text("earlier")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(model.ReportError, match="cannot be written: No space left on device"):
        write(sample, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]
    assert (tmp_path / "report.md").read_text() == "earlier"


def test_a_folder_that_is_a_file(sample: Data, tmp_path: Path) -> None:
    (tmp_path / "report").write_text("x")
    with pytest.raises(model.ReportError, match="is a file: expected a folder"):
        write(sample, tmp_path / "report")
    with pytest.raises(model.ReportError, match="cannot be written"):
        write(sample, tmp_path / "report" / "below")


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is not JSON"), ("[]", "has a list"), ("[" * 100_000, "is not JSON"), (None, "cannot be read")],
)
def test_files_that_are_no_report(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(model.ReportError, match=message):
        files.read(path)
