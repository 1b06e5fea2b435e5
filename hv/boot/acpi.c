// SPDX-License-Identifier: MIT
// Finding the ACPI tables and mapping what they name.
#include "boot/acpi.h"
#include "con/con.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "x86/insn.h"

#define LAPIC_SIZE	  0x1000
#define IOAPIC_SIZE	  0x1000
#define HPET_SIZE	  0x400
#define APIC_BASE_ADDRESS 0x000ffffffffff000UL

struct platform platform;

static __initdata const struct {
	char signature[ACPI_SIGNATURE4 + 1];
	void (*decode)(struct platform *p, const u8 *table, size_t size);
} decoders[] = {
	{ "APIC", acpi_madt_decode },
	{ "FACP", acpi_fadt_decode },
	{ "HPET", acpi_hpet_decode },
	{ "MCFG", acpi_mcfg_decode },
};

// A whole table of that kind, or NULL when there is none at maddr.
static __init const u8 *table_get(u64 maddr, const char *signature, u32 *size)
{
	const u8 *t = maddr ? table_map(maddr, ACPI_HEADER) : NULL;

	if (!t || memcmp(t, signature, ACPI_SIGNATURE4))
		return NULL;
	*size = acpi_table_length(t, ACPI_HEADER);
	t = *size ? table_map(maddr, *size) : NULL;
	return t && acpi_table_valid(t, *size, signature) ? t : NULL;
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

	if (!p || acpi_rsdp_decode(p, ACPI_RSDP_SIZE, &root, &is_xsdt))
		return -ENOENT;
	p = table_get(root, is_xsdt ? "XSDT" : "RSDT", &size);
	if (!p)
		return -EINVAL;
	for (u32 i = 0; (entry = acpi_root_entry(p, size, is_xsdt, i)); i++)
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
