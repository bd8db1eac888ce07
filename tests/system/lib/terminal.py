"""A terminal for a program: keys in, and the screen as a person would see it."""
import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from .wait import until

SEQUENCE = re.compile(r"\x1b\[([?]?)([0-9;]*)([A-Za-z])")


class Screen:
    """What we write to terminals: places, colours, erasing. Anything else is an error: it would be seen."""
    def __init__(self, rows, columns):
        self.rows, self.columns, self.colours = rows, columns, 0
        self.cells, self.row, self.column, self.rest = {}, 0, 0, ""
        self.modes = set()

    def feed(self, text):
        text, self.rest = self.rest + text, ""
        while text:
            if text[0] != "\x1b":
                self._put(text[0])
                text = text[1:]
                continue
            found = SEQUENCE.match(text)
            if not found:
                assert len(text) < 16, f"no sequence of ours: {text[:16]!r}"
                self.rest = text  # the rest of it is to come
                return
            self._obey(*found.groups())
            text = text[found.end():]

    def _put(self, character):
        if character == "\n":
            self.row += 1
        elif character == "\r":
            self.column = 0
        else:
            assert character >= " ", repr(character)
            if self.column < self.columns:  # nothing is wrapped
                self.cells[self.row, self.column] = character
            self.column += 1

    def _obey(self, private, numbers, letter):
        values = [int(n) for n in numbers.split(";") if n]
        if private:
            (self.modes.add if letter == "h" else self.modes.discard)(values[0])
        elif letter == "H":
            self.row, self.column = (values + [1, 1])[0] - 1, (values + [1, 1])[1] - 1 if len(values) > 1 else 0
        elif letter == "K":
            for column in range(self.column, self.columns):
                self.cells.pop((self.row, column), None)
        elif letter == "J":
            self.cells.clear()
        else:
            assert letter == "m", (numbers, letter)
            self.colours += values not in ([], [0])

    def lines(self):
        return ["".join(self.cells.get((r, c), " ") for c in range(self.columns)).rstrip() for r in range(self.rows)]

    @property
    def text(self):
        return "\n".join(self.lines())


class Terminal:
    def __init__(self, argv, env, rows=30, columns=100):
        self.screen, self.raw = Screen(rows, columns), ""
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execvpe(str(argv[0]), [str(a) for a in argv], env)
        self.code = None

    def look(self, seconds=0.05):
        """Takes what came; false when the program has closed its terminal."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                continue
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return False
            if not data:
                return False
            text = self.decoder.decode(data)
            self.raw += text
            self.screen.feed(text.replace("^C", ""))  # which the terminal itself echoes
        return True

    def sees(self, what, timeout=20):
        """Waits until the screen's text has it: a string, a pattern, or what a function of the screen says."""
        def seen():
            if not self.look():
                raise AssertionError("the program ended")
            if callable(what):
                return what(self.screen)
            return what.search(self.screen.text) if isinstance(what, re.Pattern) else what in self.screen.text
        try:
            return until(seen, timeout, f"{what} on the screen", every=0)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.screen.text}") from None

    def keys(self, text):
        os.write(self.fd, text.encode())

    def resize(self, rows, columns):
        self.screen.rows, self.screen.columns = rows, columns
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self):
        """The line discipline: whether lines are edited and echoed."""
        flags = termios.tcgetattr(self.fd)[3]
        return bool(flags & termios.ICANON), bool(flags & termios.ECHO)

    def end(self, timeout=20):
        """Waits for its end; its exit code, negative for a signal."""
        def ended():
            self.look()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            return pid
        until(ended, timeout, "the program's end")
        return self.code

    def close(self):
        if self.code is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass  # it has ended before
        os.close(self.fd)
