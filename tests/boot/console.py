# SPDX-License-Identifier: MIT
"""What one sees of the hypervisor from outside: text screen, serial line and
its input, levels and rate limits, and how domains and the machine end.

guests/console runs in Dom0's place and does what the words on its command
line say. QEMU's monitor shows the screen and the CPUs, injects a machine check
and says whether the machine was reset."""
import re
import select
import subprocess
import time

from boot.boot import NO_DOM0, dom0_modules
from boot.pv import guest_image
from lib.case import Case, Failure, Skipped, need
from lib.machine import HV_ARGS, Machine
from lib.monitor import COLUMNS, ROWS, Monitored

PREFIX = "(RL) "
MARK = 0xfeed000000000000
# The guest's registers with their marks, in the order of its code.
MARKED = ("rax rbx rcx rdx rsi rdi rbp r8 r9 r10 r11 r12 r13 r14 "
          "r15").split()
REGISTERS = {name: MARK + 1 + i for i, name in enumerate(MARKED)}
STACK = [MARK + 13, MARK + 14, MARK + 15]
# A 32-bit kernel's.
MARK32 = 0xfeed0000
REGISTERS32 = {name: MARK32 + 1 + i for i, name in enumerate(
    "rax rbx rcx rdx rsi rdi rbp".split())}
STACK32 = [MARK32 + 5, MARK32 + 6, MARK32 + 7]
TO_DOM0 = (r"\*\*\* Serial input goes to Dom0 now \(type Ctrl-A three times to "
           r"change that\)", r"\*\*\* Serial input to DOM0 \(type 'CTRL-a'")
TO_RINGLET = (r"\*\*\* Serial input goes to Ringlet now \(type Ctrl-A three "
              r"times to change that\)",
              r"\*\*\* Serial input to Xen \(type 'CTRL-a'")
SWITCH = "\x01\x01\x01"
RESTART_DELAY = 5
STEP = 0.1  # between looks at what says nothing by itself


def _guest(context, words, hv="ringlet", options="", width="", **machine):
    return Monitored(context, hv=hv, hv_args=f"{HV_ARGS} {options}".strip(),
                     modules=[("build/guests/console" + width, words)],
                     **dict({"memory": "512M"}, **machine))


def _bare(context, options, **machine):
    """No Dom0: the machine halts when that has been said (Xen panics)."""
    started = Monitored(context, hv="ringlet", hv_args=options + " noreboot",
                        memory="512M", **machine)
    if context.hv == "xen":
        started.may_panic()
    return started


def _either(context, texts):
    """The text of Ringlet, or that of Xen."""
    return texts[context.hv == "xen"]


def _ringlet_only(context):
    if context.hv == "xen":
        raise Skipped("Xen's own text or option differs")


def _fail_unless(good, what):
    if not good:
        raise Failure(what)


def _until(machine, condition, what):
    """Look again and again until it is so."""
    while not condition():
        _fail_unless(machine.context.left() > STEP, f"never: {what}")
        time.sleep(STEP)


def _spinning(machine, mark=("r15", REGISTERS["r15"])):
    """Waits for the guest's action "spin"; the CPU that it runs on."""
    _until(machine, lambda: machine.cpus_with(*mark), "the guest spins")
    return machine.cpus_with(*mark)[0]


# --- the text screen ----------------------------------------------------------


def _rendered(text):
    """The screen after this text."""
    rows = [""]
    for char in text:
        if char == "\n":
            rows.append("")
        else:
            if len(rows[-1]) == COLUMNS:
                rows.append("")
            rows[-1] += char
    rows = rows[-ROWS:]
    return [row.rstrip() for row in rows] + [""] * (ROWS - len(rows))


def _compare(machine, until=None):
    """The screen against the serial line's text up to this one."""
    text = machine.text.decode()
    text = text[text.index(PREFIX):]
    wanted = _rendered(text[:text.index(until)] if until else text)
    shown = machine.screen()
    for number, (got, want) in enumerate(zip(shown, wanted)):
        _fail_unless(got == want,
                     f"screen line {number} is '{got}', not '{want}'")


def _screen(context):
    """Banner and log lines, to the last one."""
    _ringlet_only(context)
    with _bare(context, "com1=115200 console=com1,vga") as machine:
        machine.expect(NO_DOM0)
        _until(machine, lambda: not machine.running_cpus(), "halted")
        machine.expect(r"\n")
        _fail_unless("Ringlet" in machine.screen()[0], "no banner on screen")
        _compare(machine)


def _screen_dom0(context):
    """The screen is left alone once it is Dom0's, which is told its size."""
    _ringlet_only(context)
    with _guest(context, "screen echo",
                options="console=com1,vga") as machine:
        machine.expect(r"^screen type 3, 80 columns, 25 rows\n")
        machine.expect(r"^echo starts\n")
        _compare(machine, until="screen type")


def _screen_keep(context):
    """Unless it is to be kept: then Dom0's text stands there too."""
    _ringlet_only(context)
    with _guest(context, "screen echo",
                options="console=com1,vga,keep") as machine:
        machine.expect(r"^echo starts\n")
        _until(machine, lambda: "echo starts" in machine.screen(),
               "text of Dom0's on the screen")
        _compare(machine)


def _screen_only(context):
    """console=vga: not a character on the serial line."""
    with _bare(context, "com1=115200 console=vga") as machine:
        # Xen halts as well, but in words of its own.
        _until(machine, lambda: re.search(
            r"halted|Manual reset", " ".join(machine.screen())),
            "the last line on the screen")
        _fail_unless(not machine.text_waiting(), "serial output")


def _nowhere(context):
    """console=none: neither there."""
    _ringlet_only(context)
    with _bare(context, "com1=115200 console=none") as machine:
        _until(machine, lambda: machine.in_hypervisor() and
               not machine.running_cpus(), "halted")
        _fail_unless(not machine.text_waiting(), "serial output")
        _fail_unless(PREFIX not in " ".join(machine.screen()), "screen output")


# --- the serial line ----------------------------------------------------------

# name, com1=, port, divisor, line control register
LINES = [
    ("speed", "9600,8n1", 0x3f8, 12, 0x03),
    ("clock", "57600/3686400,7e2", 0x3f8, 4, 0x1e),
    ("auto", "auto,8o1", 0x3f8, 12, 0x0b),  # 12: as the machine starts
    ("port", "115200,8n1,0x2f8,3", 0x2f8, 1, 0x03),
]


def _line(option, port, divisor, control):
    def body(context):
        file = f"{context.folder}/com2"
        second = ["-chardev", f"file,id=com2,path={file}",
                  "-device", "isa-serial,index=1,chardev=com2"]
        with _bare(context, f"com1={option} console=com1",
                   devices=second) as machine:
            if port == 0x3f8:
                machine.expect(_either(context, (NO_DOM0, "Manual reset")))
            else:
                _until(machine, lambda: _has(file, b"halted|Manual"),
                       "text on the second port")
                _fail_unless(not machine.text_waiting(), "text on the first")
            machine.ask("stop")
            was = machine.io_read(port + 3)
            machine.io_write(port + 3, was | 0x80)
            speed = machine.io_read(port) | machine.io_read(port + 1) << 8
            _fail_unless((was, speed) == (control, divisor),
                         f"line control {was:#x}, divisor {speed}")
    return body


def _has(path, pattern):
    with open(path, "rb") as file:
        return re.search(pattern, file.read())


def _input(options):
    """Dom0 reads what is typed; three Ctrl-A, and only three, switch."""
    def body(context):
        with _guest(context, "echo reason-0", options=options) as machine:
            machine.expect(_either(context, TO_DOM0))
            machine.expect(r"^echo starts\n")
            machine.send("a\x01\x01b")
            for code in ("61", "01", "01", "62"):
                machine.expect(rf"^read {code}\n", 10)
            machine.send(SWITCH)
            machine.expect(_either(context, TO_RINGLET), 10)
            machine.send("h")
            machine.expect(_either(
                context, (r"^\(RL\)   R: .*\n", r"^\(XEN\)  key 'R' .*\n")),
                10)
            # Known to neither, and Dom0 must not see it.
            machine.send("x" + SWITCH)
            machine.must_not(r"read 78")
            machine.expect(_either(context, TO_DOM0), 10)
            machine.send("cq")
            machine.expect(r"^read 63\n", 10)
            machine.expect(r"^shutdown 0\n", 10)
    return body


def _restart_key(context):
    with _guest(context, "echo", cpus=2) as machine:
        machine.expect(r"^echo starts\n")
        machine.send(SWITCH + "R")
        machine.expect_exit(20)
        ended = machine.how_it_ended()
        _fail_unless(ended == "guest-reset", f"QEMU ended by {ended}")


# --- a slow line --------------------------------------------------------------

PORT2 = "com1=115200,8n1,0x2f8,3 console=com1"
BURST = "".join(f"burst {i:03} 56789012345678901234567890123\n"
                for i in range(200))
PAUSE = 3  # s in which nobody reads


def _read_line(near, pattern):
    """What comes out of the slow port, up to this."""
    text = b""
    while not re.search(pattern, text):
        try:
            data = near.recv(4096)
        except OSError:
            data = b""
        if not data:
            raise Failure(f"no '{pattern.decode()}': {text[-200:]}")
        text += data.replace(b"\r", b"")
    return text.decode()


def _slow(options, least, most):
    """Dom0 writes 8000 characters to a line that takes none for a while:
    milliseconds that it is kept; not a character may be lost."""
    def body(context):
        machine = Monitored(
            context, hv="ringlet", memory="512M", hv_args=f"{PORT2} {options}",
            modules=[("build/guests/console", "echo burst reason-1")])
        near = machine.slow_port()
        with near, machine:
            _read_line(near, rb"echo starts\n")
            near.sendall(b"q")
            select.select([near], [], [], context.left())
            time.sleep(PAUSE)
            text = _read_line(near, rb"burst took (\d+) us\n")
            took = int(re.search(r"took (\d+) us", text).group(1)) / 1000
            _fail_unless(BURST in text, "not all of it came out")
            _fail_unless(least <= took <= most, f"it took {took} ms")
            # What is said last comes out before the reset.
            _read_line(near, _either(context, (
                rb"Dom0 asked for a reboot\n", rb"rebooting machine\.\n")))
            _is_reset(machine)
    return body


def _slow_panic(context):
    """All that waits comes out before the panic's text, and that whole."""
    _ringlet_only(context)
    machine = Monitored(
        context, hv="ringlet", memory="512M", hv_args=PORT2,
        modules=[("build/guests/console", "echo burst spin")])
    near = machine.slow_port()
    with near, machine:
        _read_line(near, rb"echo starts\n")
        near.sendall(b"q")
        machine.say(MACHINE_CHECK.format(cpu=_spinning(machine)))
        text = _read_line(near, rb"Restart in 5 seconds\.\n")
        begin = text.index(BURST) + len(BURST)
        _fail_unless(re.match(r"burst took \d+ us\nspins\n\(RL\) \n\(RL\) "
                              r"Ringlet panic on CPU 0: #MC\n(\(RL\) .*\n)+$",
                              text[begin:]), "the panic's text is torn")


# --- levels -------------------------------------------------------------------

UNKNOWN = r"option 'word\d+' is not known"
WORDS = 40
# name, loglvl=, banner, warnings, error
LEVELS = [
    ("none", "none", 0, 0, 0),
    ("error", "error", 0, 0, 1),
    ("warning", "warning", 0, WORDS, 1),
    ("info", "info", 1, WORDS, 1),
    # The first 20 in a second, and while there is no clock; banner included.
    ("limited", "none/all", 1, 19, 0),
]


def _level(option, banner, warnings, error):
    def body(context):
        _ringlet_only(context)
        words = " ".join(f"word{i}" for i in range(WORDS))
        with _bare(context, f"{HV_ARGS} loglvl={option} {words}") as machine:
            _until(machine, lambda: machine.in_hypervisor() and
                   not machine.running_cpus(), "halted")
            text = machine.text_waiting()
            found = (len(re.findall(r"\) Ringlet \S+, by", text)),
                     len(re.findall(UNKNOWN, text)),
                     len(re.findall(r"Dom0 kernel.*halted", text)))
            _fail_unless(found == (banner, warnings, error),
                         f"banner, warnings and errors: {found}")
    return body


def _dropped(context):
    """What the limit suppressed is counted, and told when there is room."""
    _ringlet_only(context)
    words = " ".join(f"word{i}" for i in range(WORDS))
    with _guest(context, "echo", options=f"loglvl=none/all {words}") as machine:
        machine.expect(r"^echo starts\n")
        time.sleep(1.2)
        machine.send(SWITCH)
        match = machine.expect(
            r"^\(RL\) (\d+) messages dropped: too many a second\n", 10)
        _fail_unless(int(match.group(1)) >= WORDS - 19,
                     f"{match.group(1)} dropped")


def _guest_level(option, least, most, writes):
    """A domain writes 100 lines, one after the other."""
    def body(context):
        _ringlet_only(context)
        with _guest(context, "domu reason-0", hv="ringlet-debug",
                    options=option) as machine:
            machine.expect(r"^domain 1 ended, reason 3\n")
            text = machine.text.decode()
            shown = len(re.findall(r"^\(RL\) \(d1\) flood \d\d$", text, re.M))
            told = sum(map(int, re.findall(r"(\d+) messages dropped", text)))
            _fail_unless(least <= shown <= most, f"{shown} lines shown")
            _fail_unless(shown + told == writes, f"{shown} + {told} lines")
    return body


# --- ends ---------------------------------------------------------------------


def _stays_halted(machine):
    _until(machine, lambda: not machine.running_cpus(), "all CPUs halted")
    status = machine.ask("query-status")["status"]
    _fail_unless(status == "running", f"the machine is {status}")


def _is_reset(machine, after=0.0):
    """Not before so many seconds from now."""
    begin = time.monotonic()
    machine.expect_exit(60)
    took = time.monotonic() - begin
    ended = machine.how_it_ended()
    _fail_unless(ended == "guest-reset", f"QEMU ended by {ended}")
    _fail_unless(took >= after, f"after {took:.1f} s")


# reason, what is said, on Xen; seconds to the reset, None: the machine halts;
# the same with noreboot
ENDS = [
    (0, r"Dom0 powered off: halting the machine", r"Dom0 halted: halting",
     None, None),
    (1, r"Dom0 asked for a reboot", r"Dom0 shutdown: rebooting machine", 0, 0),
    (2, r"Dom0 ended with reason 2", r"unknown reason 2", RESTART_DELAY, None),
    (3, r"Dom0 crashed", r"Dom0 crashed", RESTART_DELAY, None),
    (4, r"Dom0's watchdog ended: rebooting", r"watchdog rebooting", 0, 0),
    (5, r"Dom0 wants a soft reset: rebooting", r"soft reset, rebooting", 0, 0),
]


# What is given first wins: SCHEDOP_shutdown_code before SCHEDOP_shutdown.
CODES = "code-4 code-1 reason-3"


def _check_end(machine, delay):
    if delay is None:
        _stays_halted(machine)
    else:
        _is_reset(machine, delay * 0.9)


def _end(words, texts, delay, options):
    def body(context):
        with _guest(context, words, options=options, cpus=2) as machine:
            machine.expect(_either(context, texts))
            if delay == RESTART_DELAY:
                machine.expect(r"(?i)rebooting.* in 5 seconds")
            _check_end(machine, delay)
    return body


def _value(name, value):
    return rf"\b{name}:? +{value:016x}\b"


def _expect_marks(machine, stack, registers=None, digits=16):
    """The guest's registers, then its stack, which begins with these."""
    begin = machine.read_to
    machine.expect(r"\b" + r"[^0-9a-f]+".join(
        f"{word:0{digits}x}" for word in stack) + r"\b")
    text = machine.text[begin:machine.read_to].decode()
    for name, value in (registers or REGISTERS).items():
        _fail_unless(re.search(_value(name, value), text),
                     f"{name} is not shown as {value:x}")


def _domu_crash(context):
    """What a domain was doing when it faulted; Dom0 goes on. Its writes were
    refused: only debug builds take them."""
    with _guest(context, "domu reason-0") as machine:
        machine.expect(_either(context, (
            r"^\(RL\) d1 crashes: .*\n", r"Domain 1 \(vcpu#0\) crashed")))
        _expect_marks(machine, STACK + [2**64 - 1])
        machine.expect(r"^domain 1 ended, reason 3\n")
        _fail_unless(b"flood" not in machine.text, "its text is shown")


def _dom0_crash(options, delay):
    def body(context):
        with _guest(context, "fault", options=options) as machine:
            machine.expect(_either(context, (
                r"^\(RL\) d0 crashes: .*\n", r"Domain 0 \(vcpu#0\) crashed")))
            _expect_marks(machine, STACK)
            machine.expect("Dom0 crashed")
            _check_end(machine, delay)
    return body


def _crash32(context):
    """The same of a 32-bit kernel, whose stack has words of 4 bytes."""
    _ringlet_only(context)
    with _guest(context, "fault", options="noreboot", width="32") as machine:
        machine.expect(r"^\(RL\) d0 crashes: .*\n")
        _expect_marks(machine, STACK32, REGISTERS32, 8)
        machine.expect("Dom0 crashed")


def _key32(context):
    """Debug key d, while it runs."""
    _ringlet_only(context)
    with _guest(context, "spin", hv="ringlet-debug", width="32") as machine:
        _spinning(machine, ("ebp", REGISTERS32["rbp"]))
        machine.send(SWITCH)
        machine.expect(_either(context, TO_RINGLET))
        machine.send("d")
        machine.expect(r"^\(RL\) d0v0 on CPU 0, guest kernel mode")
        _expect_marks(machine, STACK32, REGISTERS32, 8)


# --- panic --------------------------------------------------------------------

# Bank 9: an uncorrected error, context corrupt.
MACHINE_CHECK = "mce {cpu} 9 0xbe00000000000000 0x4 0 0"
# Mapped, and nothing that may be executed: the direct map's first page.
NO_CODE = 0xffff830000000000
# A line of the stack trace: address, function, distance.
TRACE = re.compile(r"^\(RL\)   ([0-9a-f]{16}) (\w+)\+(0x[0-9a-f]+)$", re.M)


def _functions(image):
    """Names and addresses, as nm knows them: the image runs where it is
    linked."""
    listing = subprocess.run(
        ["nm", need(f"build/{image}/hv.elf")], check=True,
        stdout=subprocess.PIPE).stdout.decode()
    rows = [line.split()[-3:] for line in listing.splitlines()]
    return {name: int(address, 16) for address, kind, name in rows
            if kind in "tT"}


def _check_trace(text, image):
    """Every return address lies behind its function's beginning. Returns the
    functions."""
    known = _functions(image)
    trace = TRACE.findall(text)
    _fail_unless(len(trace) >= 2, "no stack trace")
    for address, name, offset in trace:
        start = int(address, 16) - int(offset, 16)
        _fail_unless(known.get(name) == start,
                     f"{name} does not begin at {start:x}")
    return [name for _, name, _ in trace]


def _panic_guest(context):
    """A machine check in Dom0: the guest's registers and stack, the other CPU
    stopped, a restart after five seconds."""
    _ringlet_only(context)
    with _guest(context, "spin", cpus=2) as machine:
        cpu = _spinning(machine)
        machine.may_panic()
        machine.say(MACHINE_CHECK.format(cpu=cpu))
        machine.expect(rf"^\(RL\) Ringlet panic on CPU {cpu}: #MC\n")
        _expect_marks(machine, STACK)
        machine.expect(r"^\(RL\) Restart in 5 seconds\.\n")
        running = machine.running_cpus()
        _fail_unless(running == [cpu], f"CPUs {running} run")
        _is_reset(machine, RESTART_DELAY * 0.9)


def _go_astray(context, machine, image):
    """Lets a CPU go on at NO_CODE with marked registers, and returns its
    number and stack pointer: on Ringlet where it reads the console's input for
    Dom0; Xen has no symbols to find that place by, so it sleeps there."""
    values = dict(REGISTERS, rip=NO_CODE)
    if context.hv == "xen":
        _until(machine, lambda: machine.idle(0), "CPU 0 idle")
    with machine.debugger() as debugger:
        cpu = 0
        if context.hv != "xen":
            cpu = debugger.run_to(_functions(image)["con_read"],
                                  lambda: machine.send("x"))
        sp = debugger.registers(cpu)["rsp"]
        debugger.set_registers(values)
    machine.send("x")  # an interrupt for who sleeps
    return cpu, sp


def _panic_own(hv):
    """The hypervisor jumps to what is no code: its registers, the trace with
    the functions' names, the guest that called it. With noreboot everything
    halts."""
    image = hv.partition("-")[2] or "release"

    def body(context):
        with _guest(context, "echo", hv=hv, cpus=2,
                    options="noreboot") as machine:
            machine.expect(r"^echo starts\n")
            machine.may_panic()
            cpu, sp = _go_astray(context, machine, image)
            machine.expect(_either(context, (
                rf"^\(RL\) Ringlet panic on CPU {cpu}: #PF \(vector 14, error "
                rf"0x11\) in the hypervisor, cr2 {NO_CODE:#x}\n",
                rf"RIP: +e008:\[<{NO_CODE:016x}>\]")))
            begin = machine.read_to
            machine.expect(_either(context, (
                r"^\(RL\) The machine is halted\.\n", r"Manual reset")))
            text = machine.text.decode()[begin:]
            for name, value in dict(REGISTERS, rsp=sp).items():
                _fail_unless(
                    re.search(rf"\b{name}:? +(e010:|0000:)?{value:016x}\b",
                              text), f"{name} is not shown as {value:x}")
            if context.hv != "xen":
                names = _check_trace(text, image)
                # Handlers return there. Between them what others left in
                # a buffer.
                _fail_unless(names[0] == "call_console_io" and
                             names[-1] == "entry_hypercall",
                             f"trace {names}")
                _fail_unless(
                    re.search(rf"d0v0 on CPU {cpu}, guest kernel mode, "
                              r"cr3 [0-9a-f]+\n.*rip e033:ffffffff8", text),
                    "no state of the guest")
            _stays_halted(machine)
    return body


# --- Debian's Dom0 ------------------------------------------------------------

# key, what it prints, on Xen
KEYS = [
    ("d", [r"\(RL\) Key d: ", r"\(RL\) (CPU 0: idle|d0v\d on CPU 0)",
           r"\(RL\) (CPU 1: idle|d0v\d on CPU 1)"],
     [r"'d' pressed -> dumping registers", r"host CPU0", r"host CPU1"]),
    ("0", [r"\(RL\) Key 0: ", r"\(RL\) d0v\d on CPU", r"\(RL\) stack",
           r"\(RL\) d0v\d on CPU", r"\(RL\) stack"],
     [r"'0' pressed -> dumping Dom0", r"vcpu#0", r"vcpu#1"]),
    ("q", [r"\(RL\) Key q: ", r"\(RL\) d0: 131072 of \d+ frames",
           r"\(RL\)   d0v0: CPU \d", r"\(RL\)   d0v1: CPU \d"],
     [r"'q' pressed -> dumping domain info", r"nr_pages=131072", r"VCPU0:",
      r"VCPU1:"]),
    ("r", [r"\(RL\) Key r: ", r"\(RL\) CPU 0: (idle|runs)",
           r"\(RL\) CPU 1: (idle|runs)"],
     [r"Scheduler: ", r"CPUs info", r"CPU\[01\]"]),
    ("h", [r"\(RL\) Key h: ", r"\(RL\)   R: "],
     [r"'h' pressed -> showing", r"key 'R' "]),
]


def _keys(context, machine):
    """At the shell's prompt: there, each key, and back."""
    machine.send(SWITCH)
    machine.expect(_either(context, TO_RINGLET), 10)
    for key, *texts in KEYS:
        machine.send(key)
        for text in _either(context, texts):
            machine.expect(text, 20)
    machine.send(SWITCH)
    machine.expect(_either(context, TO_DOM0), 10)


def _linux(context):
    """Three Ctrl-A there and back, between a shell and the keys; then the
    kernel crashes, and the machine starts again."""
    with Monitored(context, hv="ringlet", cpus=2, memory="1G",
                   hv_args=HV_ARGS + " dom0_mem=512M",
                   modules=dom0_modules("console=hvc0 quiet "
                                        "ringlet.guest=no")) as machine:
        machine.expect(r"^dom0# ")
        machine.send("echo $((6 * 7))a\n")
        # The shell's prompt comes in its own time: not between the keys' lines.
        machine.expect(r"^42a\n", 20)
        machine.expect(r"^dom0# ", 20)
        _keys(context, machine)
        machine.send("echo $((6 * 7))b\n")
        machine.expect(r"^42b\n", 20)
        machine.may_panic()
        machine.send("echo c >/proc/sysrq-trigger\n")
        machine.expect(r"Kernel panic - not syncing: sysrq triggered crash")
        machine.expect(r"Dom0 crashed")
        machine.expect(r"(?i)rebooting.* in 5 seconds")
        _is_reset(machine, RESTART_DELAY * 0.9)


def _early_keys(context):
    """Keys that were pressed before there was a Dom0. Which come early enough
    is the emulator's business; the first byte goes when the line is set up."""
    with Machine(context, hv="ringlet-debug", cpus=2, memory="512M",
                 modules=[guest_image("hello")]) as machine:
        machine.send(" d0rqmegiut")
        machine.expect(r"\bEND pass=")


def _ends():
    for options in ("", "noreboot"):
        for reason, said, on_xen, *delays in ENDS:
            delay = delays[bool(options)]
            yield (f"reason-{reason}" + ("-noreboot" if options else ""),
                   _end(f"reason-{reason}", (said, on_xen), delay, options))
    yield "watchdog", _end("watchdog", ENDS[4][1:3], 0, "")
    yield "codes", _end(CODES, ENDS[4][1:3], 0, "noreboot")


def cases():
    named = [
        ("screen", _screen), ("screen-dom0", _screen_dom0),
        ("screen-keep", _screen_keep), ("screen-only", _screen_only),
        ("none", _nowhere), ("input", _input("")),
        ("early-keys", _early_keys), ("input-polled", _input("com1=115200,8n1,0x3f8,0")),
        ("slow-line", _slow("", 0, 2000)),
        ("slow-line-sync", _slow("sync_console", 2000, 20000)),
        ("slow-panic", _slow_panic), ("restart-key", _restart_key),
        ("dropped", _dropped),
        ("guest_loglvl", _guest_level("", 20, 60, 100)),
        ("guest_loglvl-all", _guest_level("guest_loglvl=all", 100, 100, 100)),
        ("guest_loglvl-info", _guest_level("guest_loglvl=info", 0, 0, 0)),
        ("domu-crash", _domu_crash),
        ("crash32", _crash32), ("key32", _key32),
        ("dom0-crash", _dom0_crash("", RESTART_DELAY)),
        ("dom0-crash-noreboot", _dom0_crash("noreboot", None)),
        ("panic-guest", _panic_guest),
        ("panic-own", _panic_own("ringlet")),
        ("panic-own-debug", _panic_own("ringlet-debug"))]
    named += [("com1-" + name, _line(*how)) for name, *how in LINES]
    named += [("loglvl-" + name, _level(*how)) for name, *how in LEVELS]
    named += _ends()
    return [Case("console/" + name, body, 60) for name, body in named] + [
        Case("console/linux", _linux, 240)]
