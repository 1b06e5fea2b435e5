// SPDX-License-Identifier: MIT
// Local APIC in xAPIC or x2APIC mode (Intel SDM vol. 3 ch. 10).
#include "x86/apic.h"
#include "x86/cpuid.h"
#include "x86/panic.h"
#include "x86/percpu.h"
#include "x86/platform.h"

#define REG_ID		0x020
#define REG_TPR		0x080
#define REG_EOI		0x0b0
#define REG_SPURIOUS	0x0f0
#define REG_ISR		0x100
#define REG_ERROR	0x280
#define REG_ICR		0x300
#define REG_ICR_HIGH	0x310
#define REG_LVT_TIMER	0x320
#define REG_LVT_THERMAL 0x330
#define REG_LVT_PERF	0x340
#define REG_LVT_LINT0	0x350
#define REG_LVT_LINT1	0x360
#define REG_LVT_ERROR	0x370
#define REG_TIMER_START 0x380
#define REG_TIMER_NOW	0x390
#define REG_TIMER_DIV	0x3e0

#define BASE_ENABLE	BIT(11)
#define BASE_X2APIC	BIT(10)
#define SPURIOUS_ENABLE 0x100
#define LVT_MASKED	0x10000
#define LVT_DEADLINE	0x40000
#define LVT_NMI		0x400
#define DIVIDE_BY_1	0xb
#define ICR_BUSY	0x1000

// Longer waits are cut; the timer interrupt finds nothing due and goes on.
#define TIMER_MAX_NS 4000000000UL

static bool x2apic, deadline;
static volatile u32 *regs;
// Timer ticks, or TSC ticks, per 2^32 ns.
static u64 ticks_per_ns;

static u32 apic_read(u32 reg)
{
	return x2apic ? (u32)rdmsr(MSR_X2APIC + (reg >> 4)) : regs[reg / 4];
}

static void apic_write(u32 reg, u32 v)
{
	if (x2apic)
		wrmsr(MSR_X2APIC + (reg >> 4), v);
	else
		regs[reg / 4] = v;
}

void apic_icr(u32 id, u32 low)
{
	u64 flags = irq_save();

	if (x2apic) {
		// The x2APIC's registers do not order stores by themselves (SDM
		// vol. 3, 10.12.3).
		fence_before_msr();
		wrmsr(MSR_X2APIC + (REG_ICR >> 4), (u64)id << 32 | low);
	} else {
		while (apic_read(REG_ICR) & ICR_BUSY)
			cpu_relax();
		apic_write(REG_ICR_HIGH, id << 24);
		apic_write(REG_ICR, low);
	}
	irq_restore(flags);
}

void apic_eoi(void)
{
	apic_write(REG_EOI, 0);
}

void apic_error_interrupt(void)
{
	apic_write(REG_ERROR, 0);
	printk(LOG_WARN "APIC error on CPU %u: status %#x\n", smp_cpu_id(),
	       apic_read(REG_ERROR));
}

void apic_init_cpu(void)
{
	u64 base = rdmsr(MSR_APIC_BASE) | BASE_ENABLE;

	// Two steps: from off straight to x2APIC mode is no legal move.
	wrmsr(MSR_APIC_BASE, base);
	if (x2apic)
		wrmsr(MSR_APIC_BASE, base | BASE_X2APIC);
	apic_write(REG_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
	apic_write(REG_TPR, 0);
	apic_write(REG_LVT_THERMAL, LVT_MASKED);
	apic_write(REG_LVT_PERF, LVT_MASKED);
	apic_write(REG_LVT_LINT0, LVT_MASKED);
	apic_write(REG_LVT_LINT1, LVT_NMI);
	apic_write(REG_ERROR, 0);
	apic_write(REG_LVT_ERROR, VECTOR_ERROR);
	apic_write(REG_TIMER_DIV, DIVIDE_BY_1);
	apic_write(REG_LVT_TIMER, VECTOR_TIMER | (deadline ? LVT_DEADLINE : 0));
	// What the firmware left unfinished would hold back ours.
	for (u32 i = 0; i < 8; i++)
		for (u32 n = 0; apic_read(REG_ISR + i * 16) && n < 32; n++)
			apic_eoi();
	cpu_apic_id[smp_cpu_id()] = apic_read(REG_ID) >> (x2apic ? 0 : 24);
}

// Both 8259s moved off the exceptions' vectors, then masked for good.
static __init void pic_silence(void)
{
	static const u8 master[] = { 0x11, 0x20, 4, 1 }, // ICW1 to ICW4
		slave[] = { 0x11, 0x28, 2, 1 };

	for (unsigned int i = 0; i < sizeof(master); i++) {
		outb(i ? 0x21 : 0x20, master[i]);
		outb(i ? 0xa1 : 0xa0, slave[i]);
	}
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
}

void __init apic_init(void)
{
	if (!cpu_has(APIC))
		panic("this processor has no local APIC");
	pic_silence();
	x2apic = cpu_has(X2APIC);
	regs = platform.lapic;
	if (!x2apic && !regs)
		panic("no room to map the local APIC");
	// Calibration runs the one-shot timer; set_rate chooses.
	apic_init_cpu();
}

void __init apic_timer_run_free(void)
{
	apic_write(REG_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	apic_write(REG_TIMER_START, ~0u);
}

u32 __init apic_timer_remaining(void)
{
	return apic_read(REG_TIMER_NOW);
}

void __init apic_timer_set_rate(u64 timer_khz, u64 tsc_rate_khz)
{
	deadline = cpu_has(TSC_DEADLINE);
	if (!deadline && !timer_khz)
		panic("the local APIC's timer does not count");
	ticks_per_ns = ((deadline ? tsc_rate_khz : timer_khz) << 32) / 1000000;
	apic_write(REG_TIMER_START, 0);
	apic_write(REG_LVT_TIMER, VECTOR_TIMER | (deadline ? LVT_DEADLINE : 0));
	// The mode is in force before the first deadline is written.
	fence_before_msr();
}

void apic_timer_set(u64 ns)
{
	u64 ticks;

	ns = ns > TIMER_MAX_NS ? TIMER_MAX_NS : ns;
	ticks = (u64)(((unsigned __int128)ns * ticks_per_ns) >> 32) + 1;
	if (deadline)
		wrmsr(MSR_TSC_DEADLINE, rdtsc() + ticks);
	else
		apic_write(REG_TIMER_START, ticks > ~0u ? ~0u : (u32)ticks);
}
