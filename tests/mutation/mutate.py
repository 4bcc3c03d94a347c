#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Changes one thing of the policy at a time and looks whether a unit test notices.

Called by `make mutation`, which says how to compile and to link. Each change is made to a copy of
one source file, compiled alone and linked into the unit tests of the policy in place of the
original. What no test notices survives: it is printed with its line, and the exit code is 1.

Put aside, and counted: what does not compile; what the optimizing compiler makes the same code of
as of the original; and what `equivalent` lists with the reason why nobody could tell it from the
original. An entry there for a change that is not made any more is an error too.

Prose (a string with a space in it) is not changed: the words of a note are no rule.
"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import queue
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)
    |(?P<string>"(?:\\.|[^"\\\n])*")
    |(?P<char>'(?:\\.|[^'\\\n])+')
    |(?P<number>0[xX][0-9a-fA-F]+[uUlL]*|\d+[uUlL]*)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<op><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[-+*/%&|^~!<>=?:;,.(){}\[\]])""",
    re.S | re.X,
)
DIRECTIVE = re.compile(r"[ \t]*#[ \t]*(\w+)(?:\\\n|[^\n])*")
OPERATORS = {
    "<": ("<=", ">"), "<=": ("<", ">="), ">": (">=", "<"), ">=": (">", "<="),
    "==": ("!=",), "!=": ("==",), "&&": ("||",), "||": ("&&",),
    "++": ("--",), "--": ("++",), "+=": ("-=",), "-=": ("+=",), "|=": ("&=",),
    "<<": (">>",), ">>": ("<<",),
}  # fmt: skip
BINARY = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "/", "&": "|", "|": "&"}
KEYWORDS = set(
    "if else for while do switch case default return goto break continue const static struct enum "
    "union typedef sizeof extern unsigned signed int char long short void bool".split()
)
ENTRY = "  as an entry: "
OPEN = {"(": ")", "[": "]", "{": "}"}

Token = collections.namedtuple("Token", "kind text start end")
# place: the file, and within a function its name.
Mutant = collections.namedtuple("Mutant", "file place line text change start end new")


def squeeze(text):
    return " ".join(text.split())


def tokens_of(source):
    """Without comments. Of the preprocessor only what #define stands for, as a statement."""
    tokens = []
    at = 0
    while at < len(source):
        line_start = source.rfind("\n", 0, at) + 1
        directive = DIRECTIVE.match(source, at) if source[line_start:at].strip() == "" else None
        if directive:
            if directive.group(1) == "define":
                head = re.compile(r"[ \t]*#[ \t]*define[ \t]+\w+(\([^)]*\))?").match(source, at)
                end = directive.end()
                tokens.append(Token("op", ";", head.end(), head.end()))
                for match in TOKEN.finditer(source, head.end(), end):
                    if match.lastgroup != "comment":
                        tokens.append(Token(match.lastgroup, match.group(), *match.span()))
                tokens.append(Token("op", ";", end, end))
            at = directive.end()
            continue
        match = TOKEN.match(source, at)
        if match is None:
            at += 1
            continue
        if match.lastgroup != "comment":
            tokens.append(Token(match.lastgroup, match.group(), *match.span()))
        at = match.end()
    return tokens


def enums_of(headers):
    """The constant that follows each one in its enum, the last followed by the first."""
    following = {}
    for header in headers:
        source = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        for body in re.findall(r"\benum\s*\w*\s*\{([^}]*)\}", source):
            names = [part.split("=")[0].strip() for part in body.split(",")]
            names = [name for name in names if name and not name.endswith("_COUNT")]
            following.update({a: b for a, b in zip(names, names[1:] + names[:1]) if a != b})
    return following


class Changes:
    """All changes to one file."""

    def __init__(self, name, source, following):
        self.name = name
        self.source = source
        self.following = following
        self.tokens = tokens_of(source)
        self.partner, self.around = self._pair()
        self.seen = collections.Counter()
        self.function = None
        self.mutants = []

    def _pair(self):
        """The bracket that belongs to each, and the one that each token is in."""
        partner, around, stack = {}, [], []
        for i, token in enumerate(self.tokens):
            if token.kind == "op" and token.text in OPEN.values() and stack:
                partner[i] = stack.pop()
                partner[partner[i]] = i
            around.append(stack[-1] if stack else -1)
            if token.kind == "op" and token.text in OPEN:
                stack.append(i)
        return partner, around

    def add(self, start, end, new, what=None):
        old = squeeze(self.source[start:end])
        change = what or f"{old} -> {new}"
        first = self.source.rfind("\n", 0, start) + 1
        last = self.source.find("\n", start)
        text = squeeze(self.source[first:last])
        place = f"{self.name}:{self.function}" if self.function else self.name
        self.seen[place, text, change] += 1
        if self.seen[place, text, change] > 1:
            change += f" #{self.seen[place, text, change]}"
        if "\n" in self.source[start:end]:
            new += "\n" * self.source.count("\n", start, end)
        line = self.source.count("\n", 0, start) + 1
        self.mutants.append(Mutant(self.name, place, line, text, change, start, end, new))

    def replace(self, first, last, new, what=None):
        self.add(self.tokens[first].start, self.tokens[last].end, new, what)

    def text(self, i):
        return self.tokens[i].text if 0 <= i < len(self.tokens) else ""

    def next_of(self, i, *stops):
        """From i on the first of these, or what closes the brackets that i is in."""
        while self.text(i) not in (*stops, ""):
            if self.text(i) in OPEN.values():
                break
            i = self.partner.get(i, i) + 1
        return i

    def in_sizeof(self, i):
        while i > 0:
            i -= 1
            if i in self.partner and self.text(i) in OPEN.values():
                i = self.partner[i]
            elif self.text(i) in ("[", "("):
                if self.text(i - 1) == "sizeof":
                    return True
            elif self.text(i) in (";", "{", "}"):
                return False
        return False

    def is_binary(self, i):
        before = self.tokens[i - 1]
        if before.kind in ("number", "char", "string"):
            return True
        if before.kind == "name":
            return before.text not in KEYWORDS
        if before.text == "]":
            return True
        if before.text != ")":
            return False
        # "(type)*x" and "(type)-x" are casts.
        inside = self.tokens[self.partner[i - 1] + 1 : i - 1]
        words = all(t.kind == "name" or t.text == "*" for t in inside)
        return not (words and any(t.text in KEYWORDS or t.text.endswith("_t") for t in inside))

    def clause(self, i, step):
        """The operand of && or || at i, to its left or right: its first and last token."""
        edge = i + step
        ends = {"&&", "||", "?", ":", ",", ";", "=", "|=", "&=", "return", "{", "}"}
        while 0 <= edge < len(self.tokens):
            text = self.text(edge)
            if text in ends or (edge in self.partner and (text in OPEN) == (step < 0)):
                break
            edge = self.partner[edge] + step if edge in self.partner else edge + step
        return (edge + 1, i - 1) if step < 0 else (i + 1, edge - 1)

    def force(self, i):
        """Each condition on its own, and what if and loops ask as a whole."""
        text = self.text(i)
        if text in ("&&", "||"):
            new = "1" if text == "&&" else "0"
            for step in (-1, 1):
                # Between two of the same kind an operand is the right one of the first.
                first, last = self.clause(i, step)
                if step < 0 and self.text(first - 1) in ("&&", "||"):
                    continue
                self.replace(first, last, new)
        elif text in ("if", "while"):
            close = self.partner[i + 1]
            for new in ("1", "0") if text == "if" else ("0",):
                self.replace(i + 2, close - 1, new, f"{text} ({new})")
        elif text == "for":
            at = self.next_of(i + 2, ";")
            end = self.next_of(at + 1, ";")
            if end > at + 1:
                self.replace(at + 1, end - 1, "0", "for (0)")
        elif text == "?":
            token = self.tokens[i]
            self.add(token.start, token.end, "|| 1 ?", "?: (1)")
            self.add(token.start, token.end, "&& 0 ?", "?: (0)")

    def constant(self, i):
        token = self.tokens[i]
        before, after = self.text(i - 1), self.text(i + 1)
        if token.kind in ("number", "char"):
            if self.in_sizeof(i) or (before == "{" and after == "}"):
                return
            self.replace(i, i, f"({token.text} + 1)")
            if token.text not in ("0", "0u"):
                self.replace(i, i, f"({token.text} - 1)")
        elif token.kind == "string":
            if " " not in token.text and token.text != '""' and before != "extern":
                self.replace(i, i, '"~' + token.text[1:])
        elif token.text in self.following:
            self.replace(i, i, self.following[token.text])
        elif token.text in ("true", "false"):
            self.replace(i, i, "false" if token.text == "true" else "true")

    def operator(self, i):
        text = self.text(i)
        for new in OPERATORS.get(text, ()):
            self.replace(i, i, new)
        if text in BINARY and self.is_binary(i) and not self.in_sizeof(i):
            self.replace(i, i, BINARY[text])
        if text in ("!", "-") and not self.is_binary(i):
            self.replace(i, i, "", f"without {text}")

    def statement(self, i):
        """Deletes what is done for its effect; what leaves a loop, too."""
        before = self.text(i - 1)
        if before == ")":
            head = self.partner[i - 1] - 1
            starts = self.text(head) in ("if", "for", "while")
        else:
            starts = before in (";", "{", "}", "else", "do")
        token = self.tokens[i]
        word = token.kind == "name" and token.text not in KEYWORDS | {"va_list"}
        if not starts or not (word or token.text in ("*", "++", "--", "break", "continue")):
            return
        end = self.next_of(i, ";")
        # Within parentheses it is a part of "for", and in a list no statement.
        inner = self.around[i]
        if inner >= 0 and self.text(inner) == "{" and self.text(inner - 1) != "=" and self.text(end) == ";":
            what = "without " + squeeze(self.source[token.start : self.tokens[end].start])
            self.replace(i, end, ";", what)

    def item(self, i):
        """An initializer's field is left out; in a list of names one is left out, or two change places."""
        if self.text(i - 1) not in ("{", ","):
            return
        if self.text(i) == "." and self.text(i + 2) == "=":
            end = self.next_of(i, ",")
            last = end if self.text(end) == "," else end - 1
            self.replace(i, last, "", "without " + squeeze(self.source[self.tokens[i].start : self.tokens[end].start]))
            return
        token = self.tokens[i]
        if token.kind != "name" or self.text(i + 1) != ",":
            return
        opener = self.around[i]
        if self.text(opener) != "{" or self.text(opener - 1) != "=":
            return
        self.replace(i, i + 1, "", f"without {token.text},")
        if self.tokens[i + 2].kind == "name":
            self.replace(i, i + 2, f"{self.text(i + 2)}, {token.text}")

    def answer(self, i, kind):
        """A function answers yes, no or nothing, whatever it found."""
        end = self.next_of(i, ";")
        if end - i < 3:
            return
        for new in {"bool": ("true", "false"), "pointer": ("NULL",)}.get(kind, ()):
            self.replace(i + 1, end - 1, new, f"return {new}")

    def make(self):
        kind = None
        for i, token in enumerate(self.tokens):
            if token.text == "}" and self.around[i] < 0:
                self.function = None
            if token.text == "{" and self.text(i - 1) == ")":
                name = self.partner[i - 1] - 1
                if self.around[i] < 0:
                    self.function = self.text(name)
                    kind = "pointer" if self.text(name - 1) == "*" else self.text(name - 1)
            if token.kind == "op":
                self.operator(i)
            else:
                self.constant(i)
            self.force(i)
            self.statement(i)
            self.item(i)
            if token.text == "return":
                self.answer(i, kind)
        return self.mutants


def equivalents(path):
    """{(place, line, change): reason}; a reason is the comment above the entries it is for."""
    listed, reason, fresh = {}, "", False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.strip()
        if line.startswith("#"):
            words = line[1:].strip()
            reason = words if not fresh else f"{reason} {words}"
            fresh = True
        elif line:
            fresh = False
            parts = tuple(part.strip() for part in line.split(" @ "))
            if len(parts) != 3 or not reason:
                sys.exit(f"{path}:{number}: not 'PLACE @ LINE @ CHANGE' under a reason")
            listed[parts] = reason
    return listed


class Bench:
    """Compiles and tests in a folder of its own, one change at a time."""

    def __init__(self, options, folder, limits=None):
        self.options = options
        self.folder = folder
        self.limits = limits
        self.parts = {}  # the objects that each test is linked of

    def compile(self, mutant, source, flags, name="mutant.o"):
        copy = self.folder / pathlib.Path(mutant.file).name
        copy.write_text(source[: mutant.start] + mutant.new + source[mutant.end :])
        out = self.folder / name
        out.unlink(missing_ok=True)
        done = subprocess.run(
            [*self.options.compile, *flags, "-c", copy, "-o", out],
            cwd=self.folder if name != "mutant.o" else None, capture_output=True, check=False,
        )  # fmt: skip
        return out if done.returncode == 0 else None

    def link(self, test, mutant_object):
        program = self.folder / "test"
        program.unlink(missing_ok=True)
        quick = ["-fuse-ld=gold"] if shutil.which("ld.gold") else []
        first = [*quick, mutant_object] if mutant_object else ["-Wl,-t,-t"]
        done = subprocess.run(
            [*self.options.link, "-o", program, *first, *self.options.tests[test]],
            capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            sys.stderr.buffer.write(done.stderr)
            raise RuntimeError(f"{test} does not link")
        if not mutant_object:
            # What it took out of the archives: a test without the changed part tells nothing.
            self.parts[test] = set(re.findall(r"(\w+)\.o\b", done.stdout.decode()))
        return program

    def run(self, program, seconds):
        """Whether it passes. A limit of processor time, not of time: others use the machine, too."""

        def limit():
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))

        environment = dict(os.environ, CK_FORK="no", srcdir=self.options.srcdir)
        child = subprocess.Popen(
            [program], preexec_fn=limit, env=environment, cwd=self.folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            return child.wait(timeout=60 + 20 * seconds) == 0
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return False

    def same_code(self, mutant, source):
        if pathlib.Path(mutant.file).suffix != ".c":
            return False
        flags = ["-O2", "-g0"]
        nothing = mutant._replace(new=source[mutant.start : mutant.end])
        original = self.compile(nothing, source, flags, "original.o")
        changed = self.compile(mutant, source, flags, "changed.o")
        return original and changed and original.read_bytes() == changed.read_bytes()

    def noticed_by(self, mutant, source, order):
        """The test that fails, "compiler", "same code", or None."""
        made = self.compile(mutant, source, ["-O0", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"])
        if made is None:
            return "compiler"
        for test in order:
            if not self.run(self.link(test, made), self.limits[test][1]):
                return test
        return "same code" if self.same_code(mutant, source) else None


def measure(options, folder):
    """Every test passes as things are: in how many seconds of a processor, and linked of what."""
    bench = Bench(options, folder)
    limits = {}
    for test in options.tests:
        program = bench.link(test, None)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        if not bench.run(program, 600):
            sys.exit(f"{test} fails without any change")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        limits[test] = (max(used, 0.01), int(4 * used) + 2)
    return limits, bench.parts


def arguments():
    parser = argparse.ArgumentParser(description="mutation check of the policy")
    parser.add_argument("--srcdir", required=True)
    parser.add_argument("--compile", required=True, type=shlex.split)
    parser.add_argument("--link", required=True, type=shlex.split)
    parser.add_argument("--test", action="append", required=True, help="NAME=objects and libraries")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--sample", type=int, help="only so many, spread over all")
    parser.add_argument("--again", type=pathlib.Path, help="only what survives in this output")
    parser.add_argument("--list", action="store_true", help="only say what would be changed")
    parser.add_argument("files", nargs="*", help="policy/NAME.c; all of them when none is given")
    options = parser.parse_args()
    options.tests = {}
    for text in options.test:
        name, _, line = text.partition("=")
        options.tests[name] = [
            os.path.abspath(word) if os.path.exists(word) else word for word in shlex.split(line)
        ]
    return options


def show(mutant, source):
    first = source.rfind("\n", 0, mutant.start) + 1
    last = source.find("\n", mutant.end)
    old = source[first:last]
    new = source[first : mutant.start] + mutant.new.rstrip("\n") + source[mutant.end : last]
    print(f"{mutant.file}:{mutant.line}: survives: {mutant.change}")
    for sign, text in (("-", old), ("+", new)):
        for line in text.splitlines():
            print(f"  {sign}{line}")
    print(f"{ENTRY}{mutant.place} @ {mutant.text} @ {mutant.change}", flush=True)


def main():
    options = arguments()
    top = pathlib.Path(options.srcdir)
    listed = equivalents(top / "tests/mutation/equivalent")
    following = enums_of([*sorted(top.glob("policy/*.h")), top / "base/error.h"])
    names = options.files or [f"policy/{path.name}" for path in sorted(top.glob("policy/*.c"))]
    sources = {name: (top / name).read_text() for name in names}
    mutants = [m for name in names for m in Changes(name, sources[name], following).make()]
    made = {(m.place, m.text, m.change) for m in mutants}
    stale = [key for key in listed if key[0].partition(":")[0] in sources and key not in made]
    for key in stale:
        print("listed as equivalent, but no change that is made: " + " @ ".join(key))
    if options.sample:
        step = max(1, len(mutants) // options.sample)
        mutants = [m for m in mutants if (m.place, m.text, m.change) not in listed][step // 2 :: step]
    if options.again:
        lines = options.again.read_text(errors="replace").splitlines()
        asked = {line.partition(ENTRY)[2].partition(" #")[0] for line in lines if ENTRY in line}
        asked = {re.sub(r"^([^ :]+)\S*", r"\1", entry) for entry in asked}
        mutants = [m for m in mutants if f"{m.file} @ {m.text} @ {m.change}".partition(" #")[0] in asked]
    if options.list:
        for mutant in mutants:
            print(f"{mutant.file}:{mutant.line}: {mutant.change}")
        return 0
    counts = collections.Counter()
    kills = collections.defaultdict(lambda: collections.Counter(dict.fromkeys(options.tests, 1)))
    lock = threading.Lock()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="octroi-mutation-") as scratch:
        folders = queue.SimpleQueue()
        for i in range(options.jobs):
            folder = pathlib.Path(scratch, str(i))
            folder.mkdir()
            folders.put(folder)
        limits, parts = measure(options, pathlib.Path(scratch, "0"))
        for name in names:
            if not any(pathlib.Path(name).stem in parts[test] for test in limits):
                sys.exit(f"no test has {name} in it")

        def judge(mutant):
            if (mutant.place, mutant.text, mutant.change) in listed:
                result = "listed"
            else:
                with lock:
                    part = pathlib.Path(mutant.file).stem
                    order = [test for test in limits if part in parts[test]]
                    order.sort(key=lambda test: limits[test][0] / kills[mutant.file][test])
                folder = folders.get()
                try:
                    result = Bench(options, folder, limits).noticed_by(mutant, sources[mutant.file], order)
                finally:
                    folders.put(folder)
            with lock:
                counts[result] += 1
                if result is None:
                    show(mutant, sources[mutant.file])
                elif result in limits:
                    kills[mutant.file][result] += 1

        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for done in [pool.submit(judge, mutant) for mutant in mutants]:
                done.result()
    noticed = sum(counts[test] for test in options.tests)
    print(
        f"{len(mutants)} changes in {time.monotonic() - started:.0f} s: {noticed} noticed by a test, "
        f"{counts['compiler']} do not compile, {counts['same code']} make the same code, "
        f"{counts['listed']} listed as equivalent, {counts[None]} survive"
    )
    return 1 if counts[None] or stale or not (noticed or options.again) else 0


if __name__ == "__main__":
    sys.exit(main())
