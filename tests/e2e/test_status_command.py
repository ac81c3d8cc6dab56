"""`millrace status` where no service answers: the exit status, and what the state directory shows."""
import fcntl
import os
import shutil
import socket
import subprocess
import tempfile

from millrace_test import PROGRAM


def status(*arguments):
    done = subprocess.run([PROGRAM, "status", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          timeout=60)
    assert done.stdout == b"" or done.returncode == 0, done.stdout
    return done.returncode, done.stderr.decode()


def check_another_user():
    """Who may not look is told so, and not that no service runs or that books do not balance."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        state, program = os.path.join(folder, "state"), os.path.join(folder, "millrace")
        os.mkdir(state)
        for name in ("lock", "MANIFEST-1", "ledger.sqlite"):
            with open(os.path.join(state, name), "wb"):
                pass
        shutil.copy(PROGRAM, program)
        os.chmod(state, 0)
        user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        for command in (["status"], ["ledger", "check"], ["ledger", "report"]):
            done = subprocess.run([program, *command, state], capture_output=True, text=True, check=False, timeout=60, **user)
            assert (done.returncode, done.stdout) == (2, ""), (command, done)
            assert "Permission denied" in done.stderr and "no service" not in done.stderr, (command, done.stderr)
        os.chmod(state, 0o700)


def main():
    with tempfile.TemporaryDirectory() as state:
        code, words = status(state)
        assert code == 2 and "this is no state directory" in words and "no checkpoint" not in words, words
        with open(os.path.join(state, "lock"), "wb"):
            pass
        code, words = status(state)
        assert code == 1 and "nobody answers" in words and "no service runs" in words and "no checkpoint" in words, words

        for name in ("MANIFEST-9", "MANIFEST-10", "MANIFEST-x", "MANIFEST-99.tmp"):
            with open(os.path.join(state, name), "wb"):
                os.utime(os.path.join(state, name), (1764393000, 1764393000))
        code, words = status(state, "--json")
        assert code == 1 and "its last checkpoint is 10, of 2025-11-29T05:10:00Z" in words, words

        # A process that holds the lock is named, and the lock is never taken.
        with open(os.path.join(state, "lock"), "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            code, words = status(state)
            assert code == 1 and f"process {os.getpid()} holds its lock" in words, words

        # A socket whose owner is gone, and one that only listens.
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(os.path.join(state, "status.sock"))
            code, words = status(state)
            assert code == 1 and "nobody answers" in words, words
            dead.listen()
            code, words = status(state)
            assert code == 1 and "nobody answers" in words, words

        assert status(os.path.join(state, "lock"))[0] == 2
        assert status(os.path.join(state, "missing"))[0] == 2
    check_another_user()
    assert status()[0] == 2
    assert status("a", "b")[0] == 2
    assert status("--nonsense", "a")[0] == 2


if __name__ == "__main__":
    main()
