// SPDX-License-Identifier: MIT
// The firmware's ACPI tables (ACPI specification 6.4, chapter 5): found,
// checked, read into struct platform. Tables are bytes that the firmware wrote:
// nothing outside of them is read, whatever they say.
#include "boot/boot.h"
#include "con/con.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "x86/insn.h"
#include "x86/platform.h"

#define LAPIC_SIZE	  0x1000
#define IOAPIC_SIZE	  0x1000
#define HPET_SIZE	  0x400
#define APIC_BASE_ADDRESS 0x000ffffffffff000UL

#define GAS_IO		  1 // address space of a generic address: I/O ports
#define GAS_SIZE	  12
#define RSDP_V1		  20
#define MADT_HEAD	  44
#define MCFG_HEAD	  44
#define MCFG_SIZE	  16
#define ACPI_HEADER	  36 // bytes that all tables begin with
#define ACPI_RSDP_SIZE	  36
#define ACPI_TABLE_MAX	  0x400000 // longer ones are not believed

struct platform platform;

// Little-endian number of n bytes; 0 where the table does not reach.
static u64 __init field(const u8 *t, size_t size, size_t at, unsigned int n)
{
	u64 v = 0;

	if (at > size || n > size - at)
		return 0;
	while (n--)
		v = v << 8 | t[at + n];
	return v;
}

static bool __init sum_is_zero(const u8 *p, size_t n)
{
	u8 sum = 0;

	while (n--)
		sum = (u8)(sum + *p++);
	return !sum;
}

// The root table's address out of an RSDP; *is_xsdt tells its kind. -EINVAL:
// signature or checksum wrong.
static int __init rsdp_decode(const u8 *rsdp, size_t size, u64 *root,
			      bool *is_xsdt)
{
	u64 length;

	if (size < RSDP_V1 || memcmp(rsdp, "RSD PTR ", 8) ||
	    !sum_is_zero(rsdp, RSDP_V1))
		return -EINVAL;
	*root = field(rsdp, size, 16, 4);
	*is_xsdt = false;
	length = field(rsdp, size, 20, 4);
	if (rsdp[15] >= 2 && length >= ACPI_RSDP_SIZE && length <= size &&
	    sum_is_zero(rsdp, length) && field(rsdp, size, 24, 8)) {
		*root = field(rsdp, size, 24, 8);
		*is_xsdt = true;
	}
	return *root ? 0 : -EINVAL;
}

// Address of entry n of an XSDT or RSDT; 0 past its end.
static u64 __init root_entry(const u8 *root, size_t size, bool is_xsdt, u32 n)
{
	unsigned int width = is_xsdt ? 8 : 4;

	return field(root, size, ACPI_HEADER + (size_t)n * width, width);
}

static void __init add_cpu(struct platform *p, u32 apic_id, u32 acpi_id,
			   u32 flags)
{
	if (!(flags & 1) || p->nr_cpus == MAX_CPUS)
		return;
	// Firmware lists a CPU in both forms now and then.
	for (u32 i = 0; i < p->nr_cpus; i++)
		if (p->apic_id[i] == apic_id)
			return;
	p->apic_id[p->nr_cpus] = apic_id;
	p->acpi_id[p->nr_cpus++] = acpi_id;
}

static void __init add_ioapic(struct platform *p, const u8 *e, size_t n)
{
	u32 i = p->nr_ioapics;

	if (i == MAX_IOAPICS || !field(e, n, 4, 4))
		return;
	p->ioapic[i].maddr = field(e, n, 4, 4);
	p->ioapic[i].gsi_base = (u32)field(e, n, 8, 4);
	p->nr_ioapics++;
}

// Polarity in bits 0-1, trigger in bits 2-3; 0 means the bus's own, which for
// ISA is edge and active high.
static void __init add_override(struct platform *p, const u8 *e, size_t n)
{
	u16 flags = (u16)field(e, n, 8, 2);
	u32 i = p->nr_overrides;

	if (i == MAX_OVERRIDES || e[2] != 0 || e[3] >= 16)
		return;
	p->override[i].isa = e[3];
	p->override[i].gsi = (u32)field(e, n, 4, 4);
	p->override[i].active_low = (flags & 3) == 3;
	p->override[i].level = (flags >> 2 & 3) == 3;
	p->nr_overrides++;
}

static void __init madt_entry(struct platform *p, const u8 *e, size_t n)
{
	static const u8 shortest[] __initdata = {
		[0] = 8, [1] = 12, [2] = 10, [5] = 12, [9] = 16
	};

	if (e[0] >= sizeof(shortest) || n < shortest[e[0]])
		return;
	switch (e[0]) {
	case 0: // local APIC
		if (e[3] != 0xff)
			add_cpu(p, e[3], e[2], (u32)field(e, n, 4, 4));
		break;
	case 1:
		add_ioapic(p, e, n);
		break;
	case 2:
		add_override(p, e, n);
		break;
	case 5: // local APIC at a 64-bit address
		p->lapic_maddr = field(e, n, 4, 8);
		break;
	case 9: // local x2APIC
		add_cpu(p, (u32)field(e, n, 4, 4), (u32)field(e, n, 12, 4),
			(u32)field(e, n, 8, 4));
		break;
	}
}

static void __init madt_decode(struct platform *p, const u8 *madt, size_t size)
{
	if (size < MADT_HEAD)
		return;
	if (field(madt, size, 36, 4))
		p->lapic_maddr = field(madt, size, 36, 4);
	for (size_t at = MADT_HEAD, n; at + 2 <= size; at += n) {
		n = madt[at + 1];
		if (n < 2 || n > size - at)
			return;
		madt_entry(p, madt + at, n);
	}
}

// An I/O port: the 64-bit form (a generic address) if it is there and names a
// port, else the 32-bit field.
static u32 __init fadt_port(const u8 *t, size_t size, size_t gas, size_t old)
{
	u64 port = field(t, size, gas + 4, 8);

	if (gas + GAS_SIZE <= size && t[gas] == GAS_IO && port &&
	    port <= 0xffff)
		return (u32)port;
	port = field(t, size, old, 4);
	return port <= 0xffff ? (u32)port : 0;
}

static void __init fadt_decode(struct platform *p, const u8 *fadt, size_t size)
{
	u32 flags = (u32)field(fadt, size, 112, 4);
	u16 arch = (u16)field(fadt, size, 109, 2);

	p->pm1a_event = fadt_port(fadt, size, 148, 56);
	p->pm1b_event = fadt_port(fadt, size, 160, 60);
	p->pm1a_control = fadt_port(fadt, size, 172, 64);
	p->pm1b_control = fadt_port(fadt, size, 184, 68);
	if (field(fadt, size, 91, 1) == 4)
		p->pm_timer_port = fadt_port(fadt, size, 208, 76);
	p->pm_timer_32bit = flags >> 8 & 1;
	p->rtc_century = (u8)field(fadt, size, 108, 1);
	p->no_vga = arch >> 2 & 1;
	p->no_rtc = arch >> 5 & 1;
	if (flags >> 10 & 1 && field(fadt, size, 116, 1) == GAS_IO &&
	    size > 128 && field(fadt, size, 120, 8) - 1 < 0xffff) {
		p->reset_port = (u16)field(fadt, size, 120, 8);
		p->reset_value = fadt[128];
	}
}

static void __init hpet_decode(struct platform *p, const u8 *hpet, size_t size)
{
	// Registers in memory space, the only kind there is.
	if (size >= 56 && hpet[40] == 0)
		p->hpet_maddr = field(hpet, size, 44, 8);
}

static void __init mcfg_decode(struct platform *p, const u8 *mcfg, size_t size)
{
	size_t at = MCFG_HEAD;

	for (; at + MCFG_SIZE <= size && p->nr_mcfg < MAX_MCFG;
	     at += MCFG_SIZE) {
		u32 i = p->nr_mcfg;
		u64 maddr = field(mcfg, size, at, 8);

		if (!maddr || mcfg[at + 10] > mcfg[at + 11])
			continue;
		p->mcfg[i].maddr = maddr;
		p->mcfg[i].segment = (u16)field(mcfg, size, at + 8, 2);
		p->mcfg[i].bus_start = mcfg[at + 10];
		p->mcfg[i].bus_end = mcfg[at + 11];
		p->nr_mcfg++;
	}
}

static __initdata const struct {
	char signature[5];
	void (*decode)(struct platform *p, const u8 *table, size_t size);
} decoders[] = {
	{ "APIC", madt_decode },
	{ "FACP", fadt_decode },
	{ "HPET", hpet_decode },
	{ "MCFG", mcfg_decode },
};

// A whole table of that kind, or NULL when there is none at maddr.
static __init const u8 *table_get(u64 maddr, const char *signature, u32 *size)
{
	const u8 *t = maddr ? table_map(maddr, ACPI_HEADER) : NULL;

	if (!t || memcmp(t, signature, 4))
		return NULL;
	*size = (u32)field(t, ACPI_HEADER, 4, 4);
	if (*size < ACPI_HEADER || *size > ACPI_TABLE_MAX)
		return NULL;
	t = table_map(maddr, *size);
	return t && sum_is_zero(t, *size) ? t : NULL;
}

static __init void table_read(u64 maddr)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(decoders); i++) {
		u32 size;
		const u8 *t = table_get(maddr, decoders[i].signature, &size);

		if (t)
			decoders[i].decode(&platform, t, size);
	}
}

static __init int tables_read(u64 rsdp)
{
	const u8 *p = rsdp ? table_map(rsdp, ACPI_RSDP_SIZE) : NULL;
	bool is_xsdt;
	u64 root, entry;
	u32 size;

	if (!p || rsdp_decode(p, ACPI_RSDP_SIZE, &root, &is_xsdt))
		return -ENOENT;
	p = table_get(root, is_xsdt ? "XSDT" : "RSDT", &size);
	if (!p)
		return -EINVAL;
	for (u32 i = 0; (entry = root_entry(p, size, is_xsdt, i)); i++)
		table_read(entry);
	platform.rsdp = rsdp;
	return 0;
}

// The boot CPU becomes CPU 0, whatever the order of the table.
static __init void boot_cpu_first(void)
{
	struct platform *p = &platform;
	u32 r[4], id, acpi;

	cpuid(1, 0, r);
	id = r[1] >> 24;
	cpuid(0, 0, r);
	if (r[0] >= 0xb) {
		cpuid(0xb, 0, r);
		id = r[1] ? r[3] : id;
	}
	for (u32 i = 0; i < p->nr_cpus; i++) {
		if (p->apic_id[i] != id)
			continue;
		acpi = p->acpi_id[i];
		for (; i; i--) {
			p->apic_id[i] = p->apic_id[i - 1];
			p->acpi_id[i] = p->acpi_id[i - 1];
		}
		p->apic_id[0] = id;
		p->acpi_id[0] = acpi;
		return;
	}
	// Not in the table: trust nothing that it says about CPUs.
	p->nr_cpus = 1;
	p->apic_id[0] = id;
	p->acpi_id[0] = 0;
}

void __init acpi_init(u64 rsdp)
{
	struct platform *p = &platform;

	if (tables_read(rsdp))
		printk(LOG_WARN "ACPI: no usable tables: one CPU, no IO-APIC, "
				"no power-off\n");
	if (!p->lapic_maddr)
		p->lapic_maddr = rdmsr(MSR_APIC_BASE) & APIC_BASE_ADDRESS;
	boot_cpu_first();
	p->lapic = mmio_map(p->lapic_maddr, LAPIC_SIZE);
	for (u32 i = 0; i < p->nr_ioapics; i++)
		p->ioapic[i].regs = mmio_map(p->ioapic[i].maddr, IOAPIC_SIZE);
	if (p->hpet_maddr)
		p->hpet = mmio_map(p->hpet_maddr, HPET_SIZE);
	if (p->rsdp)
		printk("ACPI: %u CPUs, %u IO-APICs%s%s, %u MCFG\n", p->nr_cpus,
		       p->nr_ioapics, p->hpet ? ", HPET" : "",
		       p->pm_timer_port ? ", PM timer" : "", p->nr_mcfg);
}
