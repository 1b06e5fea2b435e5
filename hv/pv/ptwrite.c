// SPDX-License-Identifier: MIT
// Writable-page-table assist: a store of the guest kernel to an L1 table that
// it has mapped read-only is done for it, checked like any update.
#include "dom/trace.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "pv/l1.h"

static u64 size_mask(unsigned int size)
{
	return size == 8 ? ~0UL : (1UL << size * 8) - 1;
}

// Where register n lies; AH to BH without REX in byte instructions.
static void *operand(struct cpu_regs *r, const struct insn *i, unsigned int n)
{
	bool high = i->width == 1 && !i->rex && n >= 4;

	return (u8 *)insn_gpr(r, high ? n - 4 : n) + high;
}

static void reg_set(struct cpu_regs *r, const struct insn *i, unsigned int n,
		    u64 v)
{
	// Of four bytes the upper half becomes zero.
	if (i->width == 4)
		*insn_gpr(r, n) = (u32)v;
	else
		memcpy(operand(r, i, n), &v, i->width);
}

static u64 logic_flags(u64 v, unsigned int size)
{
	u64 parity = __builtin_parity((u8)v) ? 0 : FLAG_PF;
	u64 zero = v & size_mask(size) ? 0 : FLAG_ZF;

	return parity | zero | (v >> (size * 8 - 1) & 1 ? FLAG_SF : 0);
}

#define ARITH_FLAGS (FLAG_CF | FLAG_PF | 0x10UL | FLAG_ZF | FLAG_SF | FLAG_OF)

// What the instruction makes of the old value. False: nothing is stored
// (cmpxchg that finds another value).
static bool ptwrite_compute(struct cpu_regs *r, const struct insn *i, u64 old,
			    u64 *new, u64 *flags)
{
	u64 mask = size_mask(i->width);
	u64 src = i->imm, bit;

	if (!i->has_imm)
		memcpy(&src, operand(r, i, i->reg), i->width);
	bit = 1UL << (src & (i->width * 8 - 1));
	*flags = r->rflags;
	switch (i->kind) {
	case INSN_MOV:
	case INSN_XCHG:
	case INSN_STOS:
		*new = src;
		return true;
	case INSN_CMPXCHG:
		*flags &= ~ARITH_FLAGS;
		*new = src;
		if ((r->rax & mask) != (old & mask))
			return false;
		*flags |= FLAG_ZF | FLAG_PF;
		return true;
	case INSN_CMPXCHG8B:
		*new = (u32)r->rbx | r->rcx << 32;
		*flags &= ~FLAG_ZF;
		if (old != ((u32)r->rax | r->rdx << 32))
			return false;
		*flags |= FLAG_ZF;
		return true;
	case INSN_AND:
		*new = old &src;
		break;
	case INSN_OR:
		*new = old | src;
		break;
	case INSN_XOR:
		*new = old ^ src;
		break;
	default:
		*flags = (*flags & ~FLAG_CF) | (old & bit ? FLAG_CF : 0);
		*new = i->kind == INSN_BTS   ? old | bit
		       : i->kind == INSN_BTR ? old & ~bit
					     : old ^ bit;
		return true;
	}
	*flags = (*flags & ~ARITH_FLAGS) | logic_flags(*new, i->width);
	return true;
}

// The entry was old, and is written when it was to be.
static void ptwrite_results(struct cpu_regs *r, const struct insn *i, u64 old,
			    bool stored, u64 flags)
{
	if (i->kind == INSN_XCHG)
		reg_set(r, i, i->reg, old);
	if (i->kind == INSN_STOS) {
		r->rdi += r->rflags & FLAG_DF ? -(u64)i->width : i->width;
		// One round; the rest faults again.
		if (i->rep && --r->rcx)
			return;
	}
	if (i->kind == INSN_CMPXCHG && !stored)
		reg_set(r, i, 0, old);
	if (i->kind == INSN_CMPXCHG8B && !stored) {
		r->rax = (u32)old;
		r->rdx = old >> 32;
	}
	r->rflags = flags;
	r->rip += i->length;
}

// The store into the entry that holds `address`, as one compare and exchange.
static int ptwrite_store(struct vcpu *v, struct page_info *pg, const u64 *entry,
			 u64 address, struct cpu_regs *regs,
			 const struct insn *i)
{
	unsigned int offset = (u64)entry & ~PAGE_MASK;
	unsigned int shift = (address & 7) * 8;
	u64 mask = size_mask(i->width), old = READ_ONCE(*entry);
	u64 part, was, flags, new;
	bool store;
	int rc = 0;

	was = old >> shift & mask;
	store = ptwrite_compute(regs, i, was, &part, &flags);
	if (store) {
		new = (old & ~(mask << shift)) | (part & mask) << shift;
		rc = table_entry_set(pg, offset, new, false, &old, v->domain);
	}
	if (!rc)
		ptwrite_results(regs, i, was, store, flags);
	return rc;
}

bool ptwrite_emulate(struct vcpu *v, struct cpu_regs *regs, u64 address)
{
	struct page_info *pg;
	u64 e, *entry;
	struct insn i;
	int rc;

	if (!guest_l1e_read(v, address, &e) || (e & (PTE_P | PTE_W)) != PTE_P)
		return false;
	if (!insn_fetch(v, regs, &i) || i.kind < INSN_MOV ||
	    (i.addr32 && !v->hot.pv32) || (address & 7) + i.width > 8)
		return false;
	// As on Xen, the assist is there whether asked for or not.
	pg = l1_lock(v->domain,
		     mfn_to_maddr(pte_mfn(e)) + (address & ~PAGE_MASK & ~7UL),
		     &entry);
	if (!pg) {
		// A store to a frame of ours that Dom0 may read has no effect.
		if (!mmio_is_readonly(pte_mfn(e)))
			return false;
		regs->rip += i.length;
		return true;
	}
	rc = ptwrite_store(v, pg, entry, address, regs, &i);
	l1_unlock(pg, entry);
	TRACE(TRC_PV_PTWR_EMULATION | TRC_64_FLAG, TRACE_64(e),
	      TRACE_64(address), TRACE_64(regs->rip));
	// -EAGAIN: the processor changed the entry meanwhile; run it again.
	return !rc || rc == -EAGAIN;
}
