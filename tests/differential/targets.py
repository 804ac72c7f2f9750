"""Makes request targets: paths that readers take apart differently, and the other forms of a target."""

import random

PIECES = [
    b"/", b"/", b"/", b"/", b"/", b"//", b".", b"..", b"...", b"a", b"b", b"admin", b"A", b"index.html", b"~", b"-",
    b"_", b"a+b", b"%2e", b"%2E", b"%2e%2e", b".%2e", b"%2f", b"%2F", b"..%2f", b"%2f..", b"%5c",
    b"\\", b"..\\", b"%00", b"%0a", b"%0d%0a", b"%09", b"%20", b"%7f", b"%25", b"%252e", b"%252f", b"%25%32%66", b"%",
    b"%2", b"%zz", b"%u002e", b"%c0%ae", b"%c0%af", b"%e0%80%af", b"%c3%a9", b"%C3%A9", b"%c3", b"%f0%9f%a6%80",
    b"%ed%a0%80", b"%ef%bc%8f", b"%e2%80%ae", b"\xc3\xa9", b"\xff", b";", b";a=b", b"..;", b".;x", b"%3b", b"%3B",
    b"%3f", b"%23", b"%26", b"%3d", b":", b"@", b"!", b"$", b"&", b"'", b"(", b")", b"*", b"+", b",", b"=", b"|", b"{",
    b"}", b"[", b"]", b"^", b"`", b"\"", b"<", b">", b"%41", b"%7e", b"%2d", b"%61%62", b"#", b"\x01", b"\x7f", b"%80",
    b"%fe%ff", b"%2b", b"C:", b"http:", b"%3a%2f%2f", b".git", b"a.", b".a",
]
DOOMED = (
    b"%00", b"\\", b"%5c", b"#", b"\x01", b"\x7f", b"\xff", b"\xc3", b"%zz", b"%u", b";x", b"%c0", b"%e0", b"%ed",
    b"%fe",
)
DOOMED_ALONE = (b"%", b"%2", b"%c3", b"%80", b"..%2f", b"%2f..", b"%2e%2e", b".%2e", b"..;", b"%2e", b"%2E")
# Mostly what a gateway may accept: otherwise nothing would be left to compare.
LIKELY = [
    piece for piece in PIECES if piece not in DOOMED_ALONE and not any(doomed in piece for doomed in DOOMED)
]
QUERIES = [
    b"", b"?", b"?a=b", b"?a=b&c=%2e%2e/", b"??", b"?/../x", b"?a=\"<>`{|}^", b"?%00", b"?%zz", b"?a;b", b"?\xc3\xa9",
    b"?q=//x", b"?a=b#c", b"?" + b"q" * 3000,
]
ODD = [
    b"*", b"?", b"", b"a", b"./a", b"http://b/x", b"http://b", b"HTTP://b/..//a/../c", b"https://b?q",
    b"http://b:80/%2e", b"http://u@b/", b"http:///x", b"ftp://b/x", b"//b/x", b"http://b/a\\b", b"http:/b/x", b"b:443",
    b"http://[::1]/x", b"http://b#f", b"///", b"/" + b"a" * 9000, b"/ x", b"/a b", b"\t/", b"http://B.EXAMPLE./a//b",
    b"/" + b"a/" * 300, b"/" + b"%2F" * 100, b"/." * 50 + b"/x", b"/a/.." * 20, b"http://b/?", b"http://b/*",
]


def target(dice: random.Random) -> bytes:
    """A target: mostly a path of pieces."""
    kind = dice.random()
    if kind < 0.1:
        return dice.choice(ODD)
    pieces = PIECES if kind < 0.35 else LIKELY
    path = b"/" + b"".join(dice.choices(pieces, k=dice.choice([0, 1, 2, 3, 4, 6, 9])))
    return path + (dice.choice(QUERIES) if dice.random() < 0.3 else b"")
