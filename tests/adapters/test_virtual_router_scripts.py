"""The virtual router's script language: what it does, and what it refuses with line and column."""

from __future__ import annotations

from collections.abc import Iterator

import librouteros
import pytest
from librouteros.exceptions import TrapError

from sim.routeros import ManualClock, ScriptError, VirtualRouter


@pytest.fixture
def router() -> Iterator[VirtualRouter]:
    with VirtualRouter(password="router password", clock=ManualClock()) as router:
        yield router


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (':put "a\\"b\\\\c\\$d\\41\\_e\\n"', 'a"b\\c$dA e\n'),
        (':put "\\C3\\A9"', "é"),
        (":put (1 + 2 * 3 - 4 / 2)", "5"),
        (':put ("a" . 5 . true)', "a5true"),
        (':put ("ab" ~ "^a.\\$")', "true"),
        (":put (10.0.0.5 in 10.0.0.0/24)", "true"),
        (':put ("b" > "a" and !(2 < 1) or false)', "true"),
        (':put [:len "abc"]; :put [:len {1;2;3}]', "3\n3"),
        (':put [:pick "abcdef" 1 3]; :put [:pick {7;8;9} 2]', "bc\n9"),
        (':put [:find "abcabc" "c"]; :put [:find "abcabc" "c" 2]', "2\n5"),
        (":put [:typeof 5]; :put [:typeof true]; :put [:typeof [:nothing]]; :put [:typeof {1;2}]", "num\nbool\nnothing\narray"),
        (':put ({a=1;b="x"}->"b")', "x"),
        (':put [:tonum "12"]; :put [:tostr 5]; :put [:toarray "a,b"]', "12\n5\na;b"),
        ('{ :local n 5; :put "n is $n, next $($n + 1), identity $[/system identity get name]" }', "n is 5, next 6, identity market"),
        ('{ :local "a b" 3; :put $"a b" }', "3"),
        (":if (1 = 1) do={ :put yes } else={ :put no }", "yes"),
        (':if ("x" = "y") do={ :put yes } else={ :put no }', "no"),
        (":for n from=3 to=1 do={ :put $n }", "3\n2\n1"),
        (":for n from=0 to=10 step=5 do={ :put $n }", "0\n5\n10"),
        (":foreach k,v in={a=1;b=2} do={ :put ($k . $v) }", "a1\nb2"),
        ("{ :local n 0; :while ($n < 3) do={ :set n ($n + 1) }; :put $n }", "3"),
        ("{ :local n 0; :do { :set n ($n + 1) } while=($n < 4); :put $n }", "4"),
        (':do { :error "no" } on-error={ :put caught }', "caught"),
        (':do { /ip pool remove *99 } on-error={ :put caught }', "caught"),
        (":global g 4; :put $g", "4"),
        (':put [[:parse ":return 7"]]', "7"),
        ("{ :local f do={ :put called }; $f }", "called"),
        ('# nothing\n:put a \\\n ; # more\n:put b', "a\nb"),
        (':put "long \\\n    text"', "long text"),
        ("/system identity\nset name=y\n/\n:put [/system/identity/get name]", "y"),
        (":put [/ip/service/get api port]; :put [/ip service get [find name=ssh] port]", "8728\n22"),
    ],
)  # fmt: skip
def test_what_a_line_shows(router: VirtualRouter, line: str, shown: str) -> None:
    assert router.run_script(line) == shown


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("foo", "bad command name foo (line 1 column 1)"),
        (":put 1; /ip pool ad name=x", "bad command name ad (line 1 column 18)"),
        (":put 1\n  /ip pool add nmae=x ranges=10.0.0.2", "expected end of command (line 2 column 16)"),
        (':put "abc', 'expected closing quote " (line 1 column 10)'),
        (":put (1 + 2", "expected closing parenthesis ) (line 1 column 12)"),
        (":if (true) do={ :put 1", "expected closing brace } (line 1 column 23)"),
        (":put a$b", "syntax error (line 1 column 7)"),
        (':put "\\q"', "syntax error (line 1 column 8)"),
        (":frobnicate 1", "bad command name frobnicate (line 1 column 2)"),
        ("/ip pool add name=x ranges=10.0.0.2 }", "expected end of command (line 1 column 37)"),
        ("/system identity print 5 6", "expected end of command (line 1 column 24)"),
        (":put $nothere", "variable nothere is not known here (line 1 column 6)"),
        ("/ip pool add name=x", "missing value(s) of argument(s) ranges"),
        ("/ip pool add name=x ranges=x", "invalid value for argument ranges"),
        ("/ip pool get [find name=x] ranges", "no such item"),
        (":put [/ip pool find where colour=red]", ""),
        (":if (5) do={}", "conditional not boolean"),
        (":put (1 / 0)", "division by zero"),
        (':error "because"', "because"),
        (":while (true) do={ }", "script runs for ever"),
        (":put [/ip/pool/print as-value where]", "syntax error (line 1 column 36)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(router: VirtualRouter, text: str, error: str) -> None:
    if not error:
        router.run("/ip/pool/add", name="p", ranges="10.0.0.2")
        error = "expected end of command: /ip/pool has no colour"
    with pytest.raises(ScriptError) as caught:
        router.run_script(text)
    assert caught.value.message == error


def test_an_unknown_name_spoils_its_whole_line_and_on_error_does_not_help(router: VirtualRouter) -> None:
    shown = router.paste(
        ':do { /interface lte9 print } on-error={ :put caught }\n'
        ":put before; /ip pool add name=x ranges=10.0.0.2 color=red\n"
        ':do { [[:parse "/interface lte9 print"]] } on-error={ :put caught }\n'
        ":put after"
    )  # fmt: skip
    assert shown.split("\n") == [
        "bad command name lte9 (line 1 column 18)",
        "expected end of command (line 2 column 50)",
        "caught",
        "after",
    ]
    assert router.rows("/ip/pool") == []


def test_a_property_the_menu_does_not_have_is_a_mistake_in_the_script_too(router: VirtualRouter) -> None:
    router.run("/ip/pool/add", name="p", ranges="10.0.0.2")
    with pytest.raises(ScriptError, match="/ip/pool has no colour"):
        router.run_script(":do { :put [/ip pool find where colour=red] } on-error={ :put caught }")


def test_a_pasted_line_that_fails_does_not_stop_the_next_but_an_import_does(router: VirtualRouter) -> None:
    text = "/ip pool add name=a ranges=10.0.0.2\n/ip pool add name=a ranges=10.0.0.3\n/ip pool add name=b ranges=10.0.0.4\n"
    shown = router.paste(text)
    assert shown == "failure: already have pool with such name"
    assert [row["name"] for row in router.rows("/ip/pool")] == ["a", "b"]
    router.run_script("/ip pool remove [find]")
    router.files.write("pools.rsc", text.encode())
    with pytest.raises(ScriptError, match="already have pool"):
        router.run_script("/import pools.rsc")
    assert [row["name"] for row in router.rows("/ip/pool")] == ["a"]
    assert "import of pools.rsc failed" in router.rows("/log")[-1]["message"]


def test_names_live_in_their_braces_and_lines(router: VirtualRouter) -> None:
    with pytest.raises(ScriptError, match="variable x is not known here"):
        router.run_script(":local x 1\n:put $x")
    with pytest.raises(ScriptError, match="variable x is not known here"):
        router.run_script("{ { :local x 1 }; :put $x }")
    with pytest.raises(ScriptError, match="variable g is not known here"):
        router.run_script(":global g 1\n:put $g")
    assert router.run_script("{ :global g; :put $g }") == "1"
    router.reboot()
    assert router.run_script("{ :global g; :put [:typeof $g] }") == "nothing"


def test_rows_are_found_by_what_they_say(router: VirtualRouter) -> None:
    router.run_script(
        '/ip firewall filter add chain=input action=drop dst-port=22 protocol=tcp comment="defconf: no ssh"\n'
        "/ip firewall filter add chain=input disabled=yes comment=mine\n"
        "/ip firewall filter add chain=forward comment=theirs\n"
    )
    for where, comments in (
        ("chain=input", "defconf: no ssh;mine"),
        ("chain=input and disabled=no", "defconf: no ssh"),
        ("chain=input disabled=no", "defconf: no ssh"),
        ("disabled", "mine"),
        ("!disabled and chain!=forward", "defconf: no ssh"),
        ('comment~"^defconf"', "defconf: no ssh"),
        ('(chain=forward or comment="mine")', "mine;theirs"),
        ("dst-port=22", "defconf: no ssh"),
        ("dynamic=yes", ""),
        ("where chain=forward", "theirs"),
    ):
        line = f":foreach i in=[/ip firewall filter find {where}] do={{ :put [/ip firewall filter get $i comment] }}"
        assert router.run_script(line).replace("\n", ";") == comments, where


def test_a_list_without_rows_changes_nothing(router: VirtualRouter) -> None:
    router.run_script(
        "/ip pool remove [find name=none]\n/ip pool set [find name=none] ranges=10.0.0.2\n"
        "/interface bridge port disable [find where bridge=none]"
    )


def test_rows_can_be_named_by_their_place_and_moved(router: VirtualRouter) -> None:
    router.run_script(
        "/ip firewall filter\nadd chain=input comment=b\nadd chain=input comment=a place-before=0\n"
        "add chain=input comment=c\nmove 2 0\nset 1 comment=A\n"
        "{ :local first [:pick [find where dynamic=no] 0]; :local last [find comment=b]; move $last destination=$first }"
    )
    assert [row["comment"] for row in router.rows("/ip/firewall/filter")] == ["b", "c", "A"]
    with pytest.raises(ScriptError, match="no such item"):
        router.run_script("/ip firewall filter remove 9")


def test_a_program_runs_scripts_with_no_more_rights_than_its_own(router: VirtualRouter) -> None:
    router.run("/user/group/add", name="g", policy="read,write,api,test,ftp")
    router.run("/user/add", name="us", password="p", group="g")
    router.files.write("users.rsc", b"/user add name=thief password=p group=full\n")
    api = librouteros.connect("127.0.0.1", "us", "p", port=router.api_port)
    with pytest.raises(TrapError, match="not enough permissions"):
        tuple(api("/import", **{"file-name": "users.rsc"}))
    tuple(api("/execute", script="/user add name=thief password=p group=full"))
    router.run("/system/script/add", name="s", source="/user add name=thief password=p group=full")
    with pytest.raises(TrapError, match="not enough permissions"):
        tuple(api("/system/script/run", number="s"))
    assert "thief" not in {row["name"] for row in router.rows("/user")}
    api.close()


def test_executing_leaves_its_output_in_a_file_and_never_fails_itself(router: VirtualRouter) -> None:
    router.run_script(':execute script=":put hello\\n:error \\"enough\\"\\n:put never" file=report')
    assert router.files.read("report.txt") == b"hello\nenough\n"


def test_a_stored_script_is_understood_as_a_whole_before_it_runs(router: VirtualRouter) -> None:
    router.run("/system/script/add", name="s", source=":local x 5\n:put ($x + 1)\n/ip pool add name=p ranges=10.0.0.2")
    assert router.run_script("/system script run s") == "6"
    router.run("/system/script/set", numbers="s", source="/ip pool add name=q ranges=10.0.0.2\n/ip pool bad")
    with pytest.raises(ScriptError, match="bad command name bad"):
        router.run_script("/system script run s")
    assert [row["name"] for row in router.rows("/ip/pool")] == ["p"]
    assert router.rows("/system/script")[0]["run-count"] == "2"


def test_nobody_digs_without_end(router: VirtualRouter) -> None:
    router.files.write("self.rsc", b"/import self.rsc\n")
    with pytest.raises(ScriptError, match="maximum recursion depth"):
        router.run_script("/import self.rsc")
    with pytest.raises(ScriptError, match="too deep"):
        router.run_script("{" * 200)
