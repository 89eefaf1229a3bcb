"""What a probe's answer must be, as people write it: `status == 200`, `json.status == 'ok'`, `latency < 500ms`.

    expectation = subject [operator value]
    subject     = status | header.NAME | body | size | json PATH | latency[.PHASE] | certificate | address | protocol
                | tls | records | rcode
    operator    = == != < <= > >= | [not] in | [not] contains | [not] matches | [not] exists

Regular expressions are RE2's: they take linear time, so an answer cannot stall the prober. Each expectation can be shown
back with what was found: `status == 200 (503)`.
"""

from opsbot.evaluate.expect.judge import Absent, Met, check, check_all, extract, unmet
from opsbot.evaluate.expect.language import Expectation, Misread, Step, parse, parse_path

__all__ = [
    "Absent",
    "Expectation",
    "Met",
    "Misread",
    "Step",
    "check",
    "check_all",
    "extract",
    "parse",
    "parse_path",
    "unmet",
]
