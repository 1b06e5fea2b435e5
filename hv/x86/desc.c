// SPDX-License-Identifier: MIT
// Descriptor tables, system-call MSRs and control registers of a CPU.
#include "x86/desc.h"
#include "x86/segment.h"

struct idt_gate {
	u16 offset_low, selector;
	u8 ist, attributes;
	u16 offset_mid;
	u32 offset_high, reserved;
};

_Static_assert(sizeof(struct tss) == 104, "AMD APM vol. 2, 12.2.5");
_Static_assert(sizeof(struct idt_gate) == 16, "AMD APM vol. 2, 4.8.4");

static struct idt_gate idt[256] __section(".bss.page_aligned") __aligned(4096);
const void *const desc_idt = idt;
DEFINE_PERCPU(u64 *, gdt_page);

u64 hv_cr3, hv_cr4;
u64 percpu_offset[MAX_CPUS];
cpumask_t cpu_online = 1;
u32 cpu_apic_id[MAX_CPUS];
unsigned int nr_cpus = 1;
bool opt_smep = true, opt_smap = true;

extern const char entry_stubs[], entry_syscall[], entry_syscall32[],
	entry_sysenter[];

#define GATE_INTERRUPT 0x8e
#define GATE_USER      0xee // DPL 3
#define GATE_RING1     0xae // DPL 1
#define STUB_SIZE      16

#define SEG_CODE64     0x00af9b000000ffffUL
#define SEG_DATA       0x00cf93000000ffffUL
#define SEG_CODE32     0x00cf9b000000ffffUL
#define SEG_DPL(n)     ((u64)(n) << 45)

static void idt_build(void)
{
	for (unsigned int v = 0; v < 256; v++) {
		u64 at = (u64)entry_stubs + v * STUB_SIZE;

		idt[v] = (struct idt_gate){
			.offset_low = (u16)at,
			.selector = SEL_HV_CS,
			.attributes = GATE_INTERRUPT,
			.offset_mid = (u16)(at >> 16),
			.offset_high = (u32)(at >> 32),
		};
	}
	// Stacks of their own, in the order of tss->ist[].
	idt[8].ist = 1;
	idt[18].ist = 2;
	idt[2].ist = 3;
	idt[1].ist = 4;
	idt[3].attributes = idt[4].attributes = GATE_USER;
	idt[EV_INT80].attributes = GATE_USER;
	idt[EV_INT82].attributes = GATE_RING1;
}

static unsigned int gdt_index(u16 selector)
{
	return (selector >> 3) - GDT_GUEST_PAGES * 512;
}

// A 16-byte system descriptor: TSS (type 9) or LDT (2).
static void gdt_system(u64 *page, u16 selector, u64 base, u32 limit, u8 type)
{
	u64 *d = &page[gdt_index(selector)];

	d[1] = base >> 32;
	d[0] = (limit & 0xffff) | (base & 0xffffff) << 16 |
	       (u64)(0x80 | type) << 40 | (u64)(limit >> 16 & 15) << 48 |
	       (base >> 24 & 0xff) << 56;
}

// The flat segments of guests. A kernel in ring 1 finds no 64-bit code among
// them, nor does its user mode.
static void gdt_flat(u64 *page, bool pv32)
{
	const u64 ring3[] = { SEG_CODE32 | SEG_DPL(3), SEG_DATA | SEG_DPL(3),
			      SEG_CODE64 | SEG_DPL(3) };
	u64 *at = &page[gdt_index(SEL_RING1_CS)];

	*at++ = pv32 ? SEG_CODE32 | SEG_DPL(1) : 0;
	*at++ = pv32 ? SEG_DATA | SEG_DPL(1) : ring3[0];
	*at++ = ring3[!pv32];
	*at = ring3[pv32 ? 1 : 2];
}

void gdt_set_pv32(bool on)
{
	gdt_flat(this_cpu(gdt_page), on);
}

static void gdt_build(u64 *page, struct tss *tss)
{
	page[gdt_index(SEL_HV_CS)] = SEG_CODE64;
	page[gdt_index(SEL_HV_DS)] = SEG_DATA;
	gdt_flat(page, false);
	gdt_system(page, SEL_TSS, (u64)tss, sizeof(*tss) - 1, 9);
}

void desc_prepare_cpu(unsigned int cpu, u64 *gdt_page)
{
	u64 block = STACKS_START + (u64)cpu * STACK_SIZE;
	struct cpu_info *ci = (struct cpu_info *)cpu_stack_top(cpu);
	struct tss *tss = &ci->tss;

	per_cpu(gdt_page, cpu) = gdt_page;
	tss->rsp[0] = (u64)(&ci->regs + 1);
	tss->ist[0] = block + (STACK_PAGE_DF + 1) * PAGE_SIZE;
	tss->ist[1] = block + (STACK_PAGE_MC + 1) * PAGE_SIZE;
	tss->ist[2] = block + (STACK_PAGE_NMI + 1) * PAGE_SIZE;
	tss->ist[3] = block + (STACK_PAGE_DB + 1) * PAGE_SIZE;
	tss->iomap = sizeof(*tss); // no bitmap: every port traps
	gdt_build(gdt_page, tss);
	ci->cpu = cpu;
	ci->percpu_offset = percpu_offset[cpu];
}

void gdt_load(u64 base)
{
	struct desc_ptr p = { (GDT_GUEST_PAGES + 1) * PAGE_SIZE - 1, base };

	lgdt(&p);
}

// The pages below the CPU's own are not there: only the selectors that we
// load ourselves are looked up.
void gdt_load_idle(void)
{
	gdt_load((u64)this_cpu(gdt_page) - GDT_GUEST_PAGES * PAGE_SIZE);
}

void ldt_load(u64 base, unsigned int entries)
{
	if (!entries) {
		lldt(0);
		return;
	}
	gdt_system(this_cpu(gdt_page), SEL_LDT, base, entries * 8 - 1, 2);
	lldt(SEL_LDT);
}

static void control_registers_init(void)
{
	u64 cr4 = CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_MCE |
		  CR4_DE;

	// In AMD's virtual machines a write of CR4, which takes the global pages
	// out, costs more than they give.
	if (cpu_has(HYPERVISOR) && cpu_host.vendor == CPU_AMD)
		cr4 &= ~CR4_PGE;
	if (cpu_has(XSAVE))
		cr4 |= CR4_OSXSAVE;
	if (cpu_has(SMEP) && opt_smep)
		cr4 |= CR4_SMEP;
	if (cpu_has(SMAP) && opt_smap)
		cr4 |= CR4_SMAP;
	if (cpu_has(UMIP))
		cr4 |= CR4_UMIP;
	if (cpu_has(FSGSBASE))
		cr4 |= CR4_FSGSBASE;
	hv_cr4 = cr4;
	write_cr4(cr4);
	write_cr0(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE | CR0_AM);
}

static void syscall_init(unsigned int cpu)
{
	struct cpu_info *ci = (struct cpu_info *)cpu_stack_top(cpu);

	wrmsr(MSR_EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE);
	wrmsr(MSR_STAR, (u64)SEL_RING3_CS32 << 48 | (u64)SEL_HV_CS << 32);
	wrmsr(MSR_LSTAR, (u64)entry_syscall + cpu * SYSCALL_HEAD_SIZE);
	wrmsr(MSR_CSTAR, (u64)entry_syscall32 + cpu * SYSCALL_HEAD_SIZE);
	wrmsr(MSR_SYSCALL_MASK, FLAG_VM | FLAG_RF | FLAG_NT | FLAG_DF |
					FLAG_IF | FLAG_TF | FLAG_AC |
					FLAG_IOPL);
	wrmsr(MSR_GS_BASE, 0);
	wrmsr(MSR_FS_BASE, 0);
	// Elsewhere SYSENTER does not exist in 64-bit mode; with a null
	// selector it faults in any mode.
	if (cpu_host.vendor != CPU_INTEL) {
		wrmsr_safe(MSR_SYSENTER_CS, 0);
	} else {
		wrmsr(MSR_SYSENTER_CS, SEL_HV_CS);
		wrmsr(MSR_SYSENTER_ESP, (u64)(&ci->regs + 1));
		wrmsr(MSR_SYSENTER_EIP, (u64)entry_sysenter);
	}
}

void cpu_init_this(unsigned int cpu)
{
	struct desc_ptr idtr = { sizeof(idt) - 1, (u64)idt };
	u64 de_cfg;

	if (!cpu)
		idt_build();
	gdt_load_idle();
	segments_load_hv(SEL_HV_CS, SEL_HV_DS);
	// The TSS must be marked free before it is loaded.
	per_cpu(gdt_page, cpu)[gdt_index(SEL_TSS)] &= ~(2UL << 40);
	ltr(SEL_TSS);
	lldt(0);
	lidt(&idtr);
	control_registers_init();
	syscall_init(cpu);
	wrmsr(MSR_PAT, PAT_VALUE);
	// Guests are told that LFENCE waits for all before it, which not every
	// firmware sees to.
	if (cpu_host.vendor == CPU_AMD && rdmsr_safe(MSR_DE_CFG, &de_cfg))
		wrmsr_safe(MSR_DE_CFG, de_cfg | DE_CFG_LFENCE);
}
