"""Problems name the line: of the key itself, or of the nearest table around it."""

from __future__ import annotations

import pytest

from opsbot.config.lines import Lines, Path, read_path

TEXT = '''\
timezone = "UTC"          # [[environments]] in a comment
note = """
[[environments]]
name = "in a text"
"""

[[environments]]
name = "a # no comment ["
regions = [
  "eu-central-1", # ]
  "us-east-1",
]
labels = { team = "web" }
[environments.more]
key = 1

[[environments]]
"name" = 'b'
[checks.overrides."tenant:x.y"]
critical = 1
  [ spaced . out ]
  a.b.c = 1
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("timezone",), 1),
        (("note",), 2),
        (("environments",), 7),
        (("environments", 0, "name"), 8),
        (("environments", 0, "regions", 1), 9),
        (("environments", 0, "labels", "team"), 13),
        (("environments", 0, "more", "key"), 15),
        (("environments", 0, "absent"), 7),
        (("environments", 1), 17),
        (("environments", 1, "name"), 18),
        (("checks", "overrides", "tenant:x.y", "critical"), 20),
        (("spaced", "out", "a", "b", "c"), 22),
        (("absent",), 1),
    ],
)
def test_line_of_a_path(path: Path, line: int) -> None:
    assert Lines(TEXT).of(path) == line


@pytest.mark.parametrize(
    ("shown", "path"),
    [
        (".environments[1].regions[0]", ("environments", 1, "regions", 0)),
        ('.checks[0].overrides."tenant:x.y".critical', ("checks", 0, "overrides", "tenant:x.y", "critical")),
        ('.channels."a \\"b\\" [3]".kind', ("channels", 'a "b" [3]', "kind")),
        ("", ()),
    ],
)
def test_a_path_is_read_back_as_it_is_shown(shown: str, path: Path) -> None:
    assert read_path(shown) == path
