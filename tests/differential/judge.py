"""The laws: what the gateway said, what its origin saw and what the model reads must be one story.

Each exchange of the gateway's log belongs to the message of the same rank on its connection, and each record of the
origin to the exchange whose id it bears. Whatever does not fit is a disagreement.
"""

import collections
import dataclasses
import hashlib
import re

from canonical import decoded, segments
from known import RULES, answers_itself
from model import Message, Verdict
from play import Answer, Played

LOGGED_PATH_BYTES = 2000
"""The log cuts paths that are longer."""
DOT_SEGMENT = re.compile(rb"(?:\A|[/\\])\.{1,2}(?:;[^/\\]*)?(?:[/\\]|\Z)", re.DOTALL)
"""What any reader might take for a dot segment."""


@dataclasses.dataclass
class Outcome:
    """One case and all that is known of it."""

    number: int
    stream: bytes
    messages: list[Message]
    played: Played
    entries: list[dict] = dataclasses.field(default_factory=list)
    """What the gateway logged of its connection, in order."""


@dataclasses.dataclass
class Exchange:
    """One message and what became of it."""

    outcome: Outcome
    message: Message
    entry: dict
    records: list[dict]
    answer: Answer | None


@dataclasses.dataclass
class Disagreement:
    """A broken law."""

    case: int
    what: str
    stream: bytes


class Judge:
    """Judges the cases of one origin."""

    def __init__(self, origin: str, records: list[dict]) -> None:
        self.origin = origin
        self.records: dict[str, list[dict]] = collections.defaultdict(list)
        for record in records:
            self.records[record["id"]].append(record)
        self.counts: collections.Counter[str] = collections.Counter()
        self.explained: collections.Counter[str] = collections.Counter()
        self.declined: dict[str, list[int]] = collections.defaultdict(list)
        self.disagreements: list[Disagreement] = []

    def complain(self, outcome: Outcome, what: str) -> None:
        """Notes a disagreement."""
        self.disagreements.append(Disagreement(outcome.number, what, outcome.stream))

    def judge(self, outcome: Outcome) -> None:
        """Judges one case."""
        self.counts["sent"] += len(outcome.messages)
        answers = outcome.played.answers
        if outcome.played.trouble:
            self.complain(outcome, outcome.played.trouble)
        self.judge_end(outcome)
        for rank, entry in enumerate(outcome.entries):
            records = self.records.pop(entry["id"], [])
            if rank >= len(outcome.messages):
                self.complain(outcome, f"message {rank + 1}, which is none, was served: {entry}, {records}")
                continue
            answer = answers[rank] if rank < len(answers) else None
            self.judge_exchange(Exchange(outcome, outcome.messages[rank], entry, records, answer))

    def judge_end(self, outcome: Outcome) -> None:
        """Each message has its answer, unless the connection ended before with a reason."""
        answers = outcome.played.answers
        if len(answers) >= len(outcome.messages) or (answers and answers[-1].closes):
            return
        verdict = outcome.messages[len(answers)].verdict
        if verdict in (Verdict.ACCEPT, Verdict.LOCAL, Verdict.REJECT):
            self.complain(outcome, f"no answer to message {len(answers) + 1}, which {verdict.value}")

    def judge_exchange(self, exchange: Exchange) -> None:
        """One exchange against its message, its records and its answer."""
        message, entry, answer = exchange.message, exchange.entry, exchange.answer
        if answer and answer.id != entry["id"]:
            self.complain(exchange.outcome, f"the answer is that of {answer.id}, not of {entry['id']}")
        if message.verdict is Verdict.ACCEPT:
            self.judge_accepted(exchange)
            return
        self.counts["refused"] += 1
        it = f"a message that {message.verdict.value} ({message.why})"
        if exchange.records:
            self.complain(exchange.outcome, f"the origin saw {it}: {exchange.records}")
        if message.verdict in (Verdict.LOCAL, Verdict.REJECT) and entry["attempts"]:
            self.complain(exchange.outcome, f"the gateway forwarded {it}")
        if message.verdict is not Verdict.LOCAL and answer and answer.status < 400:
            self.complain(exchange.outcome, f"the gateway answered {answer.status} to {it}")

    def judge_accepted(self, exchange: Exchange) -> None:
        """A good message: forwarded, seen once, as it is."""
        message, entry, records = exchange.message, exchange.entry, exchange.records
        if not entry["attempts"]:
            why = f"{entry['status']} {entry.get('error')}, {entry.get('detail')}"
            self.complain(exchange.outcome, f"the gateway refused a good message: {why}")
            return
        self.counts["forwarded"] += 1
        path = entry.get("path", "").encode("latin-1", "replace")
        if path != message.path and len(path) < LOGGED_PATH_BYTES:
            self.complain(exchange.outcome, f"the gateway's path is {path!r}, not {message.path!r}")
        self.judge_count(exchange)
        for record in records:
            for what in self.differences(message, record):
                self.complain(exchange.outcome, what)

    def judge_count(self, exchange: Exchange) -> None:
        """As often as the origin answered, so often it saw a request; never more often than one was sent."""
        message, entry, records, answer = exchange.message, exchange.entry, exchange.records, exchange.answer
        status = entry.get("upstream_status")
        if status == 200 and not records and answers_itself(self.origin, message):
            self.counts["seen"] += 1
            self.explained["OPTIONS * is answered by the server itself"] += 1
            return
        if len(records) > entry["attempts"] or (status == 200 and not records):
            what = f"the origin saw {len(records)} requests of {entry['attempts']} sent, and answered {status}"
            self.complain(exchange.outcome, what)
        if status == 200 and answer and message.method != b"HEAD" and answer.body != entry["id"].encode():
            self.complain(exchange.outcome, f"the answer's body is {answer.body[:80]!r}, not {entry['id']!r}")
        self.counts["seen" if records else "declined"] += 1
        if not records:
            self.declined[f"{status or entry.get('error')}"].append(exchange.outcome.number)

    def differences(self, message: Message, record: dict) -> list[str]:
        """What of a message its origin saw otherwise."""
        found = self.view("method", "method", bytes.fromhex(record["method"]), message)
        if record["target"] is not None:
            found += self.view("target", "target", bytes.fromhex(record["target"]), message)
        elif bytes.fromhex(record["query"]) != (message.query or b""):
            found.append(f"query {bytes.fromhex(record['query'])!r}, not {message.query!r}")
        if record["length"] != len(message.body) or record["sha1"] != hashlib.sha1(message.body).hexdigest():
            found.append(f"a body of {record['length']} bytes, not the one of {len(message.body)}")
        for name, form, path in record["views"]:
            shown = bytes.fromhex(path)
            found += self.view(name, form, shown, message)
            if DOT_SEGMENT.search(shown):
                found.append(f"{name} has a dot segment: {shown!r}")
        return found

    def view(self, name: str, form: str, shown: bytes, message: Message) -> list[str]:
        """What is wrong with a parser's view of a message's method, target or canonical path."""
        self.counts["views"] += 1
        if shown == as_shown(form, message):
            return []
        for rule in RULES:
            if self.origin in rule.origins and name in rule.views and rule.explains(message) == shown:
                self.explained[rule.name] += 1
                return []
        return [f"{name} shows {shown!r} for {message.target!r}"]

    def finish(self) -> None:
        """What is left belongs to no exchange: requests that the gateway does not know of."""
        for records in self.records.values():
            for record in records:
                number = int(record["case"]) if record["case"].isdigit() else -1
                what = f"the origin saw a request that the gateway did not send: {record}"
                self.disagreements.append(Disagreement(number, what, b""))


def as_shown(form: str, message: Message) -> bytes:
    """What a faithful view of this form shows of a message."""
    forms = {
        "method": lambda: message.method,
        "target": lambda: message.target,
        "raw": lambda: message.path,
        "decoded": lambda: decoded(message.path),
        "segments": lambda: segments(message.path),
    }
    return forms[form]()
