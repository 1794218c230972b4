"""Programs that run beside this one: pinned, watched, and ended by their id whatever happens."""

import contextlib
import json
import os
import signal
import subprocess
import time


class Failed(Exception):
    """A run that gave no figure, with the reason."""


def run(*command):
    """Runs a command to its end and gives its output."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout


def wait_until(what, condition, process=None, seconds=20.0):
    """Asks until the condition holds; fails after a time, or when the process has ended."""
    deadline = time.monotonic() + seconds
    while not condition():
        if process is not None and process.has_ended():
            raise Failed(f"{process.name} ended before {what}: {process.last_words()}")
        if time.monotonic() > deadline:
            last = f": {process.last_words()}" if process is not None else ""
            raise Failed(f"no {what} after {seconds:.0f} s{last}")
        time.sleep(0.01)


class Process:
    """A program that runs, with its output in files."""

    def __init__(self, name, command, folder, environment):
        self.name = name
        self._output, self._errors = folder / f"{name}.out", folder / f"{name}.err"
        # Not in our process group: Ctrl-C is ours, and we end it.
        with open(self._output, "wb") as output, open(self._errors, "wb") as errors:
            self._popen = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=output, stderr=errors,
                start_new_session=True, env=os.environ | environment,
            )

    def output(self):
        """What it has printed so far."""
        return self._output.read_text(errors="replace")

    def errors(self):
        """What it has printed on standard error so far."""
        return self._errors.read_text(errors="replace")

    def say(self, line):
        """A line to its standard input."""
        with contextlib.suppress(BrokenPipeError):
            self._popen.stdin.write(f"{line}\n".encode())
            self._popen.stdin.flush()

    def has_ended(self):
        return self._popen.poll() is not None

    def wait(self, seconds):
        """Waits for its end, which has to be a good one."""
        try:
            code = self._popen.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} still runs after {seconds:.0f} s: {self.last_words()}") from None
        if code:
            raise Failed(f"{self.name} ended with {code}: {self.last_words()}")

    def stop(self, seconds=5.0):
        """Ends it, politely first."""
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            if self._popen.poll() is None:
                self._popen.send_signal(signal_number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._popen.wait(timeout=seconds)
        with contextlib.suppress(BrokenPipeError):
            self._popen.stdin.close()

    def last_words(self):
        """The end of what it said, for messages."""
        lines = (self.errors().strip() or self.output().strip()).splitlines()
        return " | ".join(lines[-3:])[-600:] or "it said nothing"

    def report(self):
        """The JSON object that it prints at its end."""
        return parse_report(self.output(), self.name)


def parse_report(text, name):
    """The JSON object at the end of an output: on a line, or over many."""
    for start in (text.rfind("\n{"), text.find("{")):
        with contextlib.suppress(ValueError):
            if start >= 0 and isinstance(report := json.loads(text[start:]), dict):
                return report
    raise Failed(f"{name} printed no JSON at its end: {text.strip()[-300:] or 'nothing at all'}")


class Processes:
    """Those that are running; a context that leaves none behind."""

    def __init__(self, folder):
        self._folder = folder
        self._running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        while self._running:
            self._running.pop().stop()

    def start(self, name, *command, core=None, namespace=None, **environment):
        """Starts a program on a core and in a network namespace. It dies with us."""
        words = ["setpriv", "--pdeathsig", "KILL"]
        if namespace is not None:
            words += ["ip", "netns", "exec", namespace]
        if core is not None:
            words += ["taskset", "--cpu-list", str(core)]
        process = Process(name, words + [str(word) for word in command], self._folder, environment)
        self._running.append(process)
        return process
