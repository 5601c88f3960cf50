"""Which answers are refusals, and who must act: the error catalogue, as data. Pure.

Rules of this file:

* The order of belief: a ``not_available`` word, then an ``error`` that is one word, then words we know, then
  the status, then what kind of thing the body is, then words we do not know.
* "Definite" is what decides whether a link may be posted again without a look into the account: the service
  said that it did not take it. A fault of the service (5xx, a web page, half an answer) is never definite.
* A refused key looks like nothing else and blocks; it never fails a job.

Source: the public clients of the service; no list of its errors exists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from offcloud_watchd.errors import Blocked, Gone, OffcloudWatchdError, Permanent, Transient
from offcloud_watchd.offcloud.answer import Answer, Content, Form


class Kind(Enum):
    """What a refusal is about."""

    KEY = "the key"
    PLAN = "the plan, or its quota"
    LINK = "the link itself"
    GONE = "a request the service does not hold"
    TAKEN = "a link the service holds already"
    ROUTE = "a link that is taken on another way"
    SINGLE = "a request without a list of files"
    UNREADY = "a request that is not finished"
    UNREAD = "a body the service could not read"
    BUSY = "the service, for now"


@dataclass(frozen=True, slots=True)
class Rule:
    """Words, what they are about, what to do about them; ``wait_s`` is how long asking again is pointless."""

    words: str
    kind: Kind
    advice: str
    wait_s: float | None = None


_KEY_ADVICE: Final = "the API key is missing, wrong or was revoked: write the right one into the key file"
_PLAN_ADVICE: Final = (
    "the account's plan does not allow it now: look at the plan on the service's account page"
)
_LINK_ADVICE: Final = "the service cannot use this link: check it, or try another source"
_BUSY_ADVICE: Final = "it is tried again"
_REMOTE_ADVICE: Final = "the account to send to is not there: `offcloud-watchd accounts` lists those that are"

RULES: Final[tuple[Rule, ...]] = (
    Rule(r"noauth", Kind.KEY, _KEY_ADVICE),
    Rule(
        r"credentials entered are wrong|(invalid|unknown|wrong|bad) (api ?)?(key|token)",
        Kind.KEY,
        _KEY_ADVICE,
    ),
    Rule(r"unauthori[sz]ed|not logged ?in|login required", Kind.KEY, _KEY_ADVICE),
    Rule(
        r"ip address needs to be registered|unregistered ip address",
        Kind.PLAN,
        "confirm this machine's address in the mail the service sent",
    ),
    Rule(r"not premium|isn't premium|premium (required|membership)", Kind.PLAN, _PLAN_ADVICE),
    Rule(r"purchase a premium|add-?on required|subscription", Kind.PLAN, _PLAN_ADVICE),
    Rule(r"rate limit|too many requests", Kind.BUSY, _BUSY_ADVICE, 60.0),
    Rule(r"quota|out of bandwidth|limit (is )?(reached|exceeded)|exceeded your", Kind.PLAN, _PLAN_ADVICE),
    Rule(
        r"(storage|cloud|disk)( space)? is full|(not enough|no) (free |cloud |storage )?space",
        Kind.PLAN,
        _PLAN_ADVICE,
    ),
    Rule(r"you have more than \d+", Kind.BUSY, _BUSY_ADVICE, 600.0),
    Rule(
        r"already (exists?|added|in |submitted|downloading)|duplicate",
        Kind.TAKEN,
        "it is looked up in the account",
    ),
    Rule(
        r"(request|transfer|item) (was )?not found|no such (request|transfer)|unknown request", Kind.GONE, ""
    ),
    Rule(
        r"supported only via cloud",
        Kind.ROUTE,
        "the service takes this link into its cloud only: drop it into a folder with `route: cloud`",
    ),
    Rule(r"remote account (was )?not found|missing remoteoptionid", Kind.ROUTE, _REMOTE_ADVICE),
    Rule(r"bad archive", Kind.SINGLE, _BUSY_ADVICE, 30.0),
    Rule(r"downloaded yet|not (yet )?(finished|ready|downloaded)", Kind.UNREADY, _BUSY_ADVICE, 30.0),
    Rule(
        r"missing required parameter",
        Kind.UNREAD,
        "please report this answer to the makers of this program",
        600.0,
    ),
    # What the service met when it fetched the link itself: only some of it is for good.
    Rule(
        r"error parsing url.*\b(408|425|429|5\d\d)\b|error parsing url.*time", Kind.BUSY, _BUSY_ADVICE, 600.0
    ),
    Rule(
        r"error parsing url|incorrect url|(invalid|malformed|bad) (url|link|magnet|torrent)",
        Kind.LINK,
        _LINK_ADVICE,
    ),
    Rule(r"unsupported (url|link|site|host)|(url|link|site|host) is not supported", Kind.LINK, _LINK_ADVICE),
    Rule(r"file is not available|file will not be downloaded", Kind.LINK, _LINK_ADVICE),
    Rule(r"nopremiumaccounts|not allowed this operation|not authorized", Kind.BUSY, _BUSY_ADVICE, 600.0),
    Rule(
        r"temporar|try again|networking issue|error during downloading|maintenance",
        Kind.BUSY,
        _BUSY_ADVICE,
        120.0,
    ),
)
"""The words of the service, most telling first; matched anywhere in what it says, in any case of letters."""

_ADDONS: Final = frozenset({"proxy", "video"})
"""Words of ``not_available`` that are about the site of one link, not about the plan: other links go on.
Source: the official document, "Adding an URL"."""

_BY_STATUS: Final = {
    401: Rule("", Kind.KEY, _KEY_ADVICE),
    402: Rule("", Kind.PLAN, _PLAN_ADVICE),
    403: Rule("", Kind.KEY, _KEY_ADVICE),
    409: Rule("", Kind.TAKEN, "it is looked up in the account"),
    429: Rule("", Kind.BUSY, "the service asks for fewer questions; it is tried again later", 60.0),
}
_UNKNOWN: Final = Rule("", Kind.BUSY, _BUSY_ADVICE, 300.0)
_FAULT: Final = Rule("", Kind.BUSY, _BUSY_ADVICE)
_MISSING: Final = re.compile(r"not found|does ?n[o']t exist|unknown|deleted|removed", re.IGNORECASE)
_ROUTE: Final = re.compile(r"\b(route|endpoint|cannot (get|post)|page|path|resource|url)\b", re.IGNORECASE)


def rule_for(words: str) -> Rule | None:
    """Return the rule for words of the service; None when we do not know them."""
    return next((rule for rule in RULES if re.search(rule.words, words, re.IGNORECASE)), None)


def complaint(answer: Answer, content: Content) -> str | None:
    """Return what an answer complains about, as it came; None when it does not complain.

    A bare word or string in place of an object is a complaint too.
    """
    value = content.value
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return None
    names = ["error", "errors", "error_description"]
    if not answer.is_success or value.get("success") is False or value.get("error") is True:
        names += ["message", "detail"]
    words = [said for name in names if (said := _words(value.get(name)))]
    if not words and value.get("success") is False:
        return "it did not work"
    return ": ".join(words) or None


def _words(value: object) -> str:
    """Find the words in the ways an error is written: a string, an object, a list of either."""
    for _ in range(4):
        if isinstance(value, list):
            value = value[0] if value else None
        elif isinstance(value, dict):
            value = value.get("message") or value.get("code") or value.get("error")
        else:
            break
    return value.strip() if isinstance(value, str) else ""


def known(answer: Answer, content: Content) -> Rule | None:
    """Return the rule for the words of an answer; None when it says nothing we know."""
    said = complaint(answer, content)
    return rule_for(said) if said else None


def is_absent(answer: Answer, content: Content) -> bool:
    """Tell whether the service has no such call at all, as far as one can tell.

    A bare "not found" may speak of the call or of what was asked about; only ``cloud/status`` can tell then.
    Source: unknown paths give an HTML 404 and wrong verbs an HTML 405, both seen live in public clients.
    """
    return answer.status in (404, 405, 501) and known(answer, content) is None


def is_gone(answer: Answer, content: Content) -> bool:
    """Tell whether a 404 speaks of the request rather than of the path; a web page proves nothing."""
    said = complaint(answer, content)
    if answer.status not in (404, 410) or said is None or content.form is not Form.JSON:
        return False
    return bool(_MISSING.search(said)) and not _ROUTE.search(said)


def refusal(
    answer: Answer, content: Content, *, submitting: bool = False, about_request: bool = False
) -> OffcloudWatchdError | None:
    """Return the error an answer stands for; None when it is a success that does not complain.

    ``submitting``: the question was a submission, so ``maybe_sent`` counts. ``about_request``: it was about
    one request, so that it can be gone.
    """
    value = content.value
    if isinstance(value, dict) and value.get("not_available"):
        word = answer.quoted(value["not_available"]) or "?"
        text = f"{answer.asked} answered 'not available: {word}'"
        if word in _ADDONS:
            return Permanent(f"{text}; links of this site need an add-on that the account does not have")
        return Blocked("api", f"{text}; {_PLAN_ADVICE}")
    said = complaint(answer, content)
    rule = _rule(answer, content, said)
    if rule is None:
        return None
    if about_request and is_gone(answer, content):
        rule = Rule("", Kind.GONE, "")
    return _error(
        answer, rule, _told(answer, content, said), submitting=submitting, about_request=about_request
    )


def _rule(answer: Answer, content: Content, said: str | None) -> Rule | None:
    by_words = rule_for(said) if said else None
    by_status = _BY_STATUS.get(answer.status)
    if by_words is not None and by_words.kind is Kind.PLAN:
        return by_words  # a lapsed plan may come with 403
    if by_status is not None and not (by_words is not None and by_words.kind is Kind.KEY):
        return by_status
    if by_words is not None:
        return by_words
    if not answer.is_success:
        return _UNKNOWN if said and answer.status < 500 and content.form is Form.JSON else _FAULT
    if content.form is not Form.JSON:
        return _FAULT
    return _UNKNOWN if said else None


def _told(answer: Answer, content: Content, said: str | None) -> str:
    """Say what came back: status and words, or what kind of thing it was."""
    words = answer.quoted(said) if said else ""
    if 300 <= answer.status < 400:
        return f"answered {answer.status}, a redirect, which is not followed"
    return f"answered {answer.status}, " + (f"'{words}'" if words else str(content.form))


def _error(
    answer: Answer, rule: Rule, told: str, *, submitting: bool, about_request: bool
) -> OffcloudWatchdError:
    reason = f"{answer.asked} {told}; {rule.advice}" if rule.advice else f"{answer.asked} {told}"
    match rule.kind:
        case Kind.KEY:
            return Blocked("api", reason, key_refused=True)
        case Kind.PLAN:
            return Blocked("api", reason)
        case Kind.LINK | Kind.ROUTE if submitting:
            return Permanent(reason)
        case Kind.GONE if about_request:
            return Gone(reason)
        case Kind.TAKEN:
            return Transient(reason, maybe_sent=submitting)
        case _:
            asked_s = answer.retry_after_s
            wait_s = rule.wait_s if asked_s is None else asked_s
            definite = rule is not _FAULT and (answer.status < 500 or rule.kind is Kind.LINK)
            return Transient(reason, retry_after_s=wait_s, maybe_sent=submitting and not definite)
