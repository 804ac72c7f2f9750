"""Checks the checker: the model against the verdicts of `tests/wire`, the judge against faults that are planted.

A judge that never complains proves nothing: each law is broken here once and must be seen to be.
"""

import copy
import hashlib
import pathlib
from collections.abc import Callable

import fixtures
from judge import Judge, Outcome
from model import Message, Verdict, read
from play import Answer, Played

WORDS = {"accept": Verdict.ACCEPT, "reject": Verdict.REJECT, "break": Verdict.BREAK, "answer": Verdict.LOCAL,
         "wait": Verdict.WAIT}


def check(directory: pathlib.Path) -> int:
    """Prints what is wrong with the checker; 0 when nothing is."""
    wrong = [*check_model(directory), *check_judge()]
    print("\n".join(wrong) or "the model reads every fixture as it should, and the judge catches every planted fault")
    return 1 if wrong else 0


def check_model(directory: pathlib.Path) -> list[str]:
    """Where the model's verdicts are not those of the fixtures."""
    wrong = []
    for title, verdicts, stream in fixtures.cases(directory):
        seen = [message.verdict for message in read(stream)]
        wanted = [WORDS[verdict.split(" ")[0]] for verdict in verdicts]
        if seen != wanted:
            wrong.append(f"{title}: the model says {[verdict.name for verdict in seen]}")
    return wrong


def check_judge() -> list[str]:
    """Planted faults that the judge does not see, and a fault that it sees where none is."""
    wrong = [] if not judged(lambda outcome, records: None) else ["a faultless case has a fault"]
    return wrong + [f"planted and not seen: {fault.__doc__}" for fault in FAULTS if not judged(fault)]


def judged(fault: Callable[[Outcome, list[dict]], None]) -> int:
    """Disagreements in a case that was faultless before `fault` came."""
    outcome, records = faultless()
    fault(outcome, records)
    judge = Judge("planted", records)
    judge.judge(outcome)
    judge.finish()
    return len(judge.disagreements)


def faultless() -> tuple[Outcome, list[dict]]:
    """Two good requests, as they should be seen by everybody; then one that is malformed."""
    good = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /b/%43?q HTTP/1.1\r\nHost: a\r\n\r\n"
    stream = good + b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"
    messages = read(stream)
    entries = [
        {"id": "1", "path": "/a", "attempts": 1, "status": 200, "upstream_status": 200},
        {"id": "2", "path": "/b/C", "attempts": 1, "status": 200, "upstream_status": 200},
        {"id": "3", "attempts": 0, "status": 400},
    ]
    fields = lambda id, *more: {b"x-request-id": id, **dict(more)}
    answers = [
        Answer(200, fields(b"1"), b"1"),
        Answer(200, fields(b"2"), b"2"),
        Answer(400, fields(b"3", (b"connection", b"close")), b""),
    ]
    records = [record("1", messages[0]), record("2", messages[1])]
    return Outcome(7, stream, messages, Played(answers, False), entries), records


def record(id: str, message: Message) -> dict:
    """What an origin writes of a message."""
    return {
        "id": id, "case": "7", "method": message.method.hex(), "target": message.target.hex(), "query": "",
        "views": [["path", "raw", message.path.hex()]], "length": len(message.body),
        "sha1": hashlib.sha1(message.body).hexdigest(),
    }


def smuggled(_outcome: Outcome, records: list[dict]) -> None:
    """a request that the gateway never sent"""
    records.append({**copy.deepcopy(records[0]), "id": ""})


def doubled(_outcome: Outcome, records: list[dict]) -> None:
    """a request that was seen twice"""
    records.append(records[1])


def lost(_outcome: Outcome, records: list[dict]) -> None:
    """an answer of 200 to a request that nobody saw"""
    records.pop()


def leaked(_outcome: Outcome, records: list[dict]) -> None:
    """a malformed request that reached the origin"""
    records.append({**copy.deepcopy(records[0]), "id": "3"})


def other_path(_outcome: Outcome, records: list[dict]) -> None:
    """another target at the origin"""
    records[1]["target"] = b"/b/c?q".hex()


def other_view(_outcome: Outcome, records: list[dict]) -> None:
    """a parser that sees another path"""
    records[1]["views"][0][2] = b"/b//C".hex()


def dots(_outcome: Outcome, records: list[dict]) -> None:
    """a dot segment in a view"""
    records[1]["views"][0][2] = b"/b/..;x/C".hex()


def other_body(_outcome: Outcome, records: list[dict]) -> None:
    """a body of the same length and other bytes"""
    records[0]["sha1"] = hashlib.sha1(b"ho").hexdigest()


def other_method(_outcome: Outcome, records: list[dict]) -> None:
    """another method"""
    records[0]["method"] = b"PUT".hex()


def other_canonical(outcome: Outcome, _records: list[dict]) -> None:
    """another canonical path in the gateway's log"""
    outcome.entries[1]["path"] = "/b/%43"


def refused(outcome: Outcome, records: list[dict]) -> None:
    """a good request that the gateway refused"""
    outcome.entries[1] |= {"attempts": 0, "status": 400, "upstream_status": None}
    records.pop()


def accepted(outcome: Outcome, _records: list[dict]) -> None:
    """a malformed request that was answered with 200"""
    outcome.played.answers[2].status = 200


def forwarded(outcome: Outcome, _records: list[dict]) -> None:
    """a malformed request that was forwarded"""
    outcome.entries[2]["attempts"] = 1


def swapped(outcome: Outcome, _records: list[dict]) -> None:
    """answers that changed places"""
    outcome.played.answers[0], outcome.played.answers[1] = outcome.played.answers[1], outcome.played.answers[0]


def foreign(outcome: Outcome, _records: list[dict]) -> None:
    """an answer with the body of another one"""
    outcome.played.answers[0].body = b"2"


def silent(outcome: Outcome, _records: list[dict]) -> None:
    """a good request without an answer"""
    outcome.played.answers.pop(1)
    outcome.played.answers.pop(1)


def uninvited(outcome: Outcome, _records: list[dict]) -> None:
    """an exchange behind the last message"""
    outcome.entries.append({"id": "4", "path": "/", "attempts": 0, "status": 400})


def troubled(outcome: Outcome, _records: list[dict]) -> None:
    """bytes that are no answer"""
    outcome.played.trouble = "malformed"


FAULTS = [
    smuggled, doubled, lost, leaked, other_path, other_view, dots, other_body, other_method, other_canonical, refused,
    accepted, forwarded, swapped, foreign, silent, uninvited, troubled,
]
