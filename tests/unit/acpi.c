// SPDX-License-Identifier: MIT
// boot/acpi.c: each table whole, cut at every length (in memory of just
// that size, for the sanitizer), and with every byte turned over.
#include "acpi_machine.h"

static u64 mapped; // how much of a table may be
static const void *table_map(u64 maddr, u64 size)
{
	return size <= mapped ? (const void *)maddr : NULL;
}

#define TABLE_MAX 512

static u8 table[TABLE_MAX];
static size_t used;

static void put(u64 v, unsigned n)
{
	for (; n--; v >>= 8)
		table[used++] = (u8)v;
}

static void put_at(size_t at, u64 v, unsigned n)
{
	size_t keep = used;

	used = at;
	put(v, n);
	used = keep;
}

static void begin(const char *signature)
{
	memset(table, 0, sizeof(table));
	memcpy(table, signature, 4);
	used = ACPI_HEADER;
}

static void checksum(size_t at, size_t n)
{
	u8 sum = 0;

	table[at] = 0;
	for (size_t i = 0; i < n; i++)
		sum = (u8)(sum + table[i]);
	table[at] = (u8)-sum;
}

static void end(void)
{
	put_at(4, used, 4);
	checksum(9, used);
}

static void make_madt(void)
{
	begin("APIC");
	put(0xfee00000, 4);
	put(1, 4);
	for (unsigned cpu = 0; cpu < 3; cpu++) {
		put(0x0800, 2); // type 0, 8 bytes
		put(cpu, 1);
		put(cpu * 2, 1);
		put(cpu != 1, 4);
	}
	put(0x0c01, 2);
	put(7, 2);
	put(0xfec00000, 4);
	put(24, 4);
	put(0x0a02, 2);
	put(0x0900, 2); // bus 0, line 9
	put(20, 4);
	put(0xf, 2);	// low, level
	put(0x1009, 2); // x2APIC
	put(0, 2);
	put(0x12345, 4);
	put(1, 4);
	put(77, 4);
	put(0x0c05, 2);
	put(0, 2);
	put(0x1fee00000, 8);
	end();
}

static void make_fadt(void)
{
	begin("FACP");
	used = 268;
	put_at(36, 0x1000, 4);
	put_at(46, 9, 2);
	put_at(56, 0x600, 4);
	put_at(64, 0x604, 4);
	put_at(76, 0x608, 4);
	put_at(88, 4, 1);
	put_at(91, 4, 1);
	put_at(108, 0x32, 1);
	put_at(109, 1 << 2, 2);
	put_at(112, 1 << 8 | 1 << 10, 4);
	put_at(116, 1, 1);
	put_at(120, 0xcf9, 8);
	put_at(128, 0xf, 1);
	put_at(172, 1, 1); // X_PM1a_CNT: a port elsewhere
	put_at(176, 0x804, 8);
	put_at(208, 0, 1); // X_PM_TMR: memory, not believed
	put_at(212, 0xfed80808, 8);
	end();
}

static void make_hpet(void)
{
	begin("HPET");
	used = 56;
	put_at(44, 0xfed00000, 8);
	end();
}

static void make_mcfg(void)
{
	begin("MCFG");
	put(0, 8);
	for (unsigned i = 0; i < MAX_MCFG + 2; i++) {
		put(0xb0000000 + (u64)i * 0x10000000, 8);
		put(i, 2);
		put(i == 1 ? 9 : 0, 1); // the second ends before it begins
		put(8, 1);
		put(0, 4);
	}
	end();
}

static void make_rsdp(void)
{
	memset(table, 0, sizeof(table));
	memcpy(table, "RSD PTR ", 8);
	table[15] = 2;
	put_at(16, 0x1000, 4);
	put_at(20, 36, 4);
	put_at(24, 0x200000000, 8);
	checksum(8, 20);
	checksum(32, 36);
	used = 36;
}

static void madt(void)
{
	struct platform p = { 0 };
	u32 size = 0;

	make_madt();
	mapped = used;
	CHECK(table_get((u64)table, "APIC", &size) == table && size == used);
	CHECK(!table_get((u64)table, "FACP", &size));
	CHECK(!table_get(0, "APIC", &size));
	mapped = used - 1;
	CHECK(!table_get((u64)table, "APIC", &size));
	mapped = ACPI_TABLE_MAX;
	table[used - 1]++; // the sum is wrong
	CHECK(!table_get((u64)table, "APIC", &size));
	put_at(4, ACPI_TABLE_MAX + 1, 4);
	CHECK(!table_get((u64)table, "APIC", &size));
	put_at(4, ACPI_HEADER - 1, 4);
	CHECK(!table_get((u64)table, "APIC", &size));
	make_madt();
	madt_decode(&p, table, used);
	CHECK(p.nr_cpus == 3 && p.apic_id[1] == 4 && p.acpi_id[1] == 2);
	CHECK(p.apic_id[2] == 0x12345 && p.acpi_id[2] == 77);
	CHECK(p.lapic_maddr == 0x1fee00000);
	CHECK(p.nr_ioapics == 1 && p.ioapic[0].maddr == 0xfec00000 &&
	      p.ioapic[0].gsi_base == 24);
	CHECK(p.nr_overrides == 1 && p.override[0].isa == 9 &&
	      p.override[0].gsi == 20 && p.override[0].level &&
	      p.override[0].active_low);
}

static void madt_full(void)
{
	struct platform p = { 0 };
	u8 big[44 + 8 * 300] = { 0 };

	for (unsigned i = 0; i < 300; i++) {
		u8 *e = big + 44 + i * 8;

		e[1] = 8;
		e[3] = (u8)i;
		e[4] = 1;
	}
	madt_decode(&p, big, sizeof(big));
	CHECK(p.nr_cpus == MAX_CPUS);
}

static void fadt(void)
{
	struct platform p = { 0 };

	make_fadt();
	fadt_decode(&p, table, used);
	CHECK(p.pm1a_event == 0x600 && p.pm1a_control == 0x804);
	CHECK(p.pm_timer_port == 0x608 && p.pm_timer_32bit);
	CHECK(!p.pm1b_control && p.no_vga);
	CHECK(!p.no_rtc && p.rtc_century == 0x32);
	CHECK(p.reset_port == 0xcf9 && p.reset_value == 0xf);
	// Version 1 ends before the reset register.
	p = (struct platform){ 0 };
	fadt_decode(&p, table, 116);
	CHECK(p.pm1a_control == 0x604 && !p.reset_port);
}

static void hpet_mcfg(void)
{
	struct platform p = { 0 };

	make_hpet();
	hpet_decode(&p, table, used);
	CHECK(p.hpet_maddr == 0xfed00000);
	make_mcfg();
	mcfg_decode(&p, table, used);
	CHECK(p.nr_mcfg == MAX_MCFG && p.mcfg[0].maddr == 0xb0000000 &&
	      p.mcfg[1].segment == 2 && p.mcfg[1].bus_end == 8);
}

static void rsdp_root(void)
{
	u64 root;
	bool xsdt;

	make_rsdp();
	CHECK(!rsdp_decode(table, 36, &root, &xsdt));
	CHECK(xsdt && root == 0x200000000);
	CHECK(!rsdp_decode(table, 20, &root, &xsdt));
	CHECK(!xsdt && root == 0x1000);
	CHECK(rsdp_decode(table, 19, &root, &xsdt) == -EINVAL);
	table[16]++;
	CHECK(rsdp_decode(table, 36, &root, &xsdt) == -EINVAL);

	begin("XSDT");
	put(0x1234567890, 8);
	put(0x99, 8);
	end();
	CHECK(root_entry(table, used, true, 0) == 0x1234567890);
	CHECK(root_entry(table, used, true, 1) == 0x99);
	CHECK(!root_entry(table, used, true, 2));
	CHECK(!root_entry(table, used, true, ~0u));
	CHECK(root_entry(table, used, false, 1) == 0x12);
}

static void decode_all(const u8 *t, size_t n)
{
	struct platform p = { 0 };
	u64 root;
	bool xsdt;

	rsdp_decode(t, n, &root, &xsdt);
	root_entry(t, n, true, 3);
	madt_decode(&p, t, n);
	fadt_decode(&p, t, n);
	hpet_decode(&p, t, n);
	mcfg_decode(&p, t, n);
}

static void damaged(void)
{
	static void (*const make[])(void) = { make_madt, make_fadt, make_hpet,
					      make_mcfg, make_rsdp };

	for (unsigned m = 0; m < 5; m++) {
		make[m]();
		for (size_t n = 0; n <= used; n++) {
			u8 *copy = malloc(n ? n : 1);

			memcpy(copy, table, n);
			decode_all(copy, n);
			for (size_t i = 0; i < n; i++) {
				copy[i] ^= 0xff;
				decode_all(copy, n);
				copy[i] ^= 0xff;
			}
			free(copy);
		}
	}
}

UNIT_MAIN(UNIT(madt), UNIT(madt_full), UNIT(fadt), UNIT(hpet_mcfg),
	  UNIT(rsdp_root), UNIT(damaged))
