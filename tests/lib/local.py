# SPDX-License-Identifier: MIT
"""Cases that need no machine: unit tests and static checks."""
import glob
import os

from . import proc
from .case import BUILD, ROOT, Broken, Case, Failure

UNIT_FLAGS = ["-std=gnu11", "-g", "-O1", "-fno-sanitize-recover=all",
              "-fsanitize=address,undefined", "-I", "hv", "-I", "tests/unit",
              "-I", "/usr/include"]
FUZZ_FLAGS = ["-DFUZZ_REPLAY", "-I", "tests/fuzz"]
FUZZ_LIBRARIES = ["-lz", "-llzma", "-lzstd"]


def _name(path):
    return os.path.splitext(os.path.basename(path))[0]


def _command(context, command):
    environment = dict(os.environ, TMPDIR=context.folder, LC_ALL="C.UTF-8",
                       PYTHONDONTWRITEBYTECODE="1")
    return proc.run(command, context.left(), context.log, cwd=ROOT,
                    env=environment)


def _judge(code):
    if code is None:
        raise Failure("time is up")
    if code < 0 or code > 128:
        raise Failure(f"CRASH: signal {-code if code < 0 else code - 128}")
    if code:
        raise Failure(f"exit code {code}")


def _compile(context, name, *arguments):
    program = os.path.join(BUILD, "unit", name)
    os.makedirs(os.path.dirname(program), exist_ok=True)
    compiler = os.environ.get("CC", "gcc")
    if _command(context, [compiler, *UNIT_FLAGS, *arguments, "-o", program]):
        raise Broken("does not compile")
    return program


def _unit(path):
    def body(context):
        _judge(_command(context, [_compile(context, _name(path), path)]))
    return Case("unit/" + _name(path), body, timeout=180)


def _fuzz(path):
    """The host fuzzer's corpus, once."""
    name = "fuzz_" + _name(path)

    def body(context):
        program = _compile(context, name, *FUZZ_FLAGS, path, *FUZZ_LIBRARIES)
        corpus = glob.glob(os.path.join(ROOT, "tests/fuzz/corpus",
                                        _name(path), "*"))
        _judge(_command(context, [program, *sorted(corpus)]))
    return Case("unit/" + name, body, timeout=180)


def _check(path):
    def body(context):
        shell = "python3" if path.endswith(".py") else "bash"
        _judge(_command(context, [shell, path]))
    name = _name(path)[len("check_"):]
    return Case("check/" + name, body, timeout=300)


def cases():
    units = sorted(glob.glob(os.path.join(ROOT, "tests/unit/*.c")))
    fuzzers = sorted(glob.glob(os.path.join(ROOT, "tests/fuzz/*.c")))
    checks = sorted(glob.glob(os.path.join(ROOT, "tests/check_*.sh")) +
                    glob.glob(os.path.join(ROOT, "tests/check_*.py")))
    return ([_check(path) for path in checks] +
            [_unit(path) for path in units] + [_fuzz(path) for path in fuzzers])
