# SPDX-License-Identifier: MIT
"""Boot: every way in, several CPU counts and memory sizes, both images.

`boot/` has no modules: the hypervisor starts, says that there is no Dom0
kernel, and halts. `boot-dom0/` starts the Dom0 image until the kernel
speaks."""
from lib.case import Case
from lib.machine import HV_ARGS, Machine

BANNER = r"Ringlet \S"
NO_DOM0 = r"^.*(Dom0 kernel.*halted|halted.*Dom0 kernel)"
KERNEL = "build/dom0/vmlinuz"
INITRD = "build/dom0/initrd.img"

# name, hypervisor, way in, CPUs, memory
STARTS = [
    ("kernel", "ringlet", "kernel", 1, "512M"),
    ("kernel-debug", "ringlet-debug", "kernel", 1, "512M"),
    ("mb1", "ringlet", "mb1", 1, "1G"),
    ("mb1-debug", "ringlet-debug", "mb1", 2, "1G"),
    ("mb2", "ringlet", "mb2", 1, "1G"),
    ("mb2-debug", "ringlet-debug", "mb2", 2, "1G"),
    ("pvh", "ringlet", "pvh", 1, "1G"),
    ("pvh-debug", "ringlet-debug", "pvh", 2, "1G"),
    ("2-cpus", "ringlet", "kernel", 2, "512M"),
    ("4-cpus", "ringlet", "kernel", 4, "4G"),
    ("4-cpus-debug", "ringlet-debug", "kernel", 4, "1G"),
    ("4-GiB", "ringlet", "kernel", 1, "4G"),
    ("6-GiB", "ringlet", "kernel", 2, "6G"),
    ("6-GiB-debug", "ringlet-debug", "kernel", 1, "6G"),
]

# name, hypervisor, way in, CPUs, memory, what is awaited behind the banner
DOM0_LINE = (r"Dom0 has \d+ MiB[^$]*"
             r"W\^X: \d+ mappings, [1-9]\d* executable, none writable")
LINUX_LINE = r"Linux version \d"
DOM0_STARTS = [
    ("kernel", "ringlet", "kernel", 1, "1G", [DOM0_LINE, LINUX_LINE]),
    ("kernel-debug", "ringlet-debug", "kernel", 2, "1G",
     [DOM0_LINE, LINUX_LINE]),
    ("mb1", "ringlet", "mb1", 2, "2G", [DOM0_LINE, LINUX_LINE]),
    ("mb2", "ringlet", "mb2", 1, "2G", [DOM0_LINE, LINUX_LINE]),
    # No command line reaches this kernel, so it may well stay silent.
    ("pvh", "ringlet", "pvh", 1, "1G", [DOM0_LINE]),
    ("4-cpus", "ringlet", "kernel", 4, "4G", [DOM0_LINE, LINUX_LINE]),
    ("6-GiB", "ringlet", "kernel", 2, "6G", [DOM0_LINE, LINUX_LINE]),
]


# name, options, CPUs, what the hypervisor says, in this order
OPTIONS = [
    ("unknown", "sched_smt=1 frobnicate dom0_mem=256M", 1,
     [r"option 'sched_smt=1' is not known", r"option 'frobnicate' is not known",
      r"Dom0 has 256 MiB"]),
    ("malformed", "loglvl=loud dom0_mem=12Q dom0_max_vcpus=9-2 maxcpus=x sched=null", 1,
     [r"option 'loglvl=loud' is malformed",
      r"option 'dom0_mem=12Q' is malformed",
      r"option 'dom0_max_vcpus=9-2' is malformed",
      r"option 'maxcpus=x' is malformed", r"option 'sched=null'",
      r"Dom0 has \d+ MiB"]),
    ("dom0_mem-max", "dom0_mem=1G,max:300M", 1, [r"Dom0 has 300 MiB"]),
    ("dom0_mem-min", "dom0_mem=64M,min:280M", 1, [r"Dom0 has 280 MiB"]),
    ("dom0_mem-less", "dom0_mem=-512M", 1, [r"Dom0 has 4\d\d MiB"]),
    ("dom0_mem-small", "dom0_mem=16M", 1,
     [r"cannot start: Dom0 needs at least \d+ MiB \(dom0_mem\); halted"]),
    ("vcpus", "dom0_mem=256M dom0_max_vcpus=2", 4,
     [r"CPUs: 4 of 4 run", r"Dom0 has 256 MiB, 2 vcpus"]),
    ("maxcpus", "dom0_mem=256M maxcpus=2", 4,
     [r"CPUs: 2 of 4 run", r"Dom0 has 256 MiB, 2 vcpus"]),
    ("no-smep", "dom0_mem=256M no-smep smap=0 loglvl=all", 1,
     [r"Dom0 has 256 MiB"]),
    ("quiet", "dom0_mem=256M loglvl=error", 1, [r"Linux version"]),
]


def dom0_modules(words, initrd=INITRD):
    """The Dom0 kernel with its words, and its initrd."""
    return [(KERNEL, words), (initrd, "")]


def _start(hv, via, cpus, memory):
    def body(context):
        with Machine(context, hv=hv, via=via, cpus=cpus,
                     memory=memory) as machine:
            machine.expect(BANNER, 40)
            machine.expect(NO_DOM0, 20)
    return body


def _dom0_start(hv, via, cpus, memory, awaited):
    def body(context):
        modules = dom0_modules("console=hvc0 earlyprintk=xen")
        if via == "pvh":
            modules = [(KERNEL, "")]
        with Machine(context, hv=hv, via=via, cpus=cpus, memory=memory,
                     modules=modules) as machine:
            for pattern in [BANNER] + awaited:
                machine.expect(pattern)
    return body


def _options(options, cpus, awaited):
    def body(context):
        with Machine(context, hv="ringlet", cpus=cpus, memory="1G",
                     hv_args=f"{HV_ARGS} {options}",
                     modules=dom0_modules(
                         "console=hvc0 earlyprintk=xen")) as machine:
            for pattern in awaited:
                machine.expect(pattern)
    return body


def cases():
    starts = [Case("boot/" + name, _start(*how), timeout=75)
              for name, *how in STARTS]
    starts += [Case("boot-options/" + name, _options(*how), timeout=75)
               for name, *how in OPTIONS]
    return starts + [Case("boot-dom0/" + name, _dom0_start(*how), timeout=120)
                     for name, *how in DOM0_STARTS]
