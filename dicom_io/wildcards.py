"""Texts and patterns with wildcards, without regular expressions: both may be a stranger's."""


def fits(pattern: str, text: str) -> bool:
    """Tell whether all of `text` fits a pattern with `*` and `?`, whatever a peer may have made of both.

    It goes back to the last `*` only: at most len(pattern) * len(text) steps, where a regular expression may take
    longer than anybody lives.
    """
    at = position = after = 0
    star = -1
    while position < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, after = at, position
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[position]):
            at += 1
            position += 1
        elif star >= 0:
            after += 1
            at, position = star + 1, after
        else:
            return False
    return not pattern[at:].strip("*")
