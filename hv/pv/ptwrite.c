// SPDX-License-Identifier: MIT
// Writable-page-table assist: a store of the guest kernel to an L1 table that
// it has mapped read-only is done for it, checked like any update. Decoding
// and acting are separate: ptwrite_decode() reads bytes only.
#include "access/access.h"
#include "dom/trace.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "pv/pgmod.h"
#include "pv/ptwrite.h"
#include "pv/private.h"
#include "x86/insn.h"

static u64 *reg_of(struct cpu_regs *r, unsigned int n)
{
	u64 *const map[16] = { &r->rax, &r->rcx, &r->rdx, &r->rbx,
			       &r->rsp, &r->rbp, &r->rsi, &r->rdi,
			       &r->r8,	&r->r9,	 &r->r10, &r->r11,
			       &r->r12, &r->r13, &r->r14, &r->r15 };

	return map[n & 15];
}

static u64 size_mask(unsigned int size)
{
	return size == 8 ? ~0UL : (1UL << size * 8) - 1;
}

// Value of a register operand; AH to BH without REX in byte instructions.
static u64 reg_get(struct cpu_regs *r, const struct ptwrite *w)
{
	if (w->size == 1 && !w->rex && w->reg >= 4)
		return *reg_of(r, w->reg - 4) >> 8 & 0xff;
	return *reg_of(r, w->reg) & size_mask(w->size);
}

static void reg_set(struct cpu_regs *r, const struct ptwrite *w,
		    unsigned int reg, u64 v)
{
	u64 *p;

	if (w->size == 1 && !w->rex && reg >= 4) {
		p = reg_of(r, reg - 4);
		*p = (*p & ~0xff00UL) | (v & 0xff) << 8;
		return;
	}
	p = reg_of(r, reg);
	if (w->size == 8 || w->size == 4)
		*p = v & size_mask(w->size);
	else
		*p = (*p & ~size_mask(w->size)) | (v & size_mask(w->size));
}

static u64 logic_flags(u64 v, unsigned int size)
{
	u64 f = 0;

	if (!(v & size_mask(size)))
		f |= 0x40;
	if (v >> (size * 8 - 1) & 1)
		f |= 0x80;
	if (!(__builtin_popcount((unsigned int)(v & 0xff)) & 1))
		f |= FLAG_PF;
	return f;
}

#define ARITH_FLAGS (FLAG_CF | FLAG_PF | 0x10UL | 0x40UL | 0x80UL | FLAG_OF)

// What the instruction makes of the old value. False: nothing is stored
// (cmpxchg that finds another value).
static bool ptwrite_compute(struct cpu_regs *r, const struct ptwrite *w,
			    u64 old, u64 *new, u64 *flags)
{
	u64 src = w->has_imm ? w->imm : reg_get(r, w);
	u64 mask = size_mask(w->size), bit = 1UL << (src & (w->size * 8 - 1));

	*flags = r->rflags;
	switch (w->op) {
	case PTW_MOV:
	case PTW_XCHG:
	case PTW_STOS:
		*new = src;
		return true;
	case PTW_CMPXCHG:
		*flags &= ~ARITH_FLAGS;
		*new = src;
		if ((r->rax & mask) != (old & mask))
			return false;
		*flags |= 0x40 | FLAG_PF;
		return true;
	case PTW_AND:
		*new = old &src;
		break;
	case PTW_OR:
		*new = old | src;
		break;
	case PTW_XOR:
		*new = old ^ src;
		break;
	default:
		*flags = (*flags & ~FLAG_CF) | (old & bit ? FLAG_CF : 0);
		*new = w->op == PTW_BTS	  ? old | bit
		       : w->op == PTW_BTR ? old & ~bit
					  : old ^ bit;
		return true;
	}
	*flags = (*flags & ~ARITH_FLAGS) | logic_flags(*new, w->size);
	return true;
}

static void ptwrite_results(struct cpu_regs *r, const struct ptwrite *w,
			    u64 old, bool stored, u64 flags)
{
	if (w->op == PTW_XCHG)
		reg_set(r, w, w->reg, old);
	if (w->op == PTW_STOS) {
		r->rdi += r->rflags & FLAG_DF ? -(u64)w->size : w->size;
		// One round; the rest faults again.
		if (w->rep && --r->rcx)
			return;
	}
	if (w->op == PTW_CMPXCHG && !stored)
		reg_set(r, w, 0, old);
	r->rflags = flags;
	r->rip += w->length;
}

// The store into the entry that holds `address`, as one compare and exchange.
static int ptwrite_store(struct vcpu *v, struct page_info *pg, u64 address,
			 struct cpu_regs *regs, const struct ptwrite *w)
{
	unsigned int offset = address & ~PAGE_MASK & ~7UL;
	unsigned int shift = (address & 7) * 8;
	u64 mask = size_mask(w->size), old, part, flags, new;
	u64 *t = map_frame(page_to_mfn(pg));
	int rc = 0;

	old = READ_ONCE(t[offset / 8]);
	unmap_frame(t);
	if (ptwrite_compute(regs, w, old >> shift & mask, &part, &flags)) {
		new = (old & ~(mask << shift)) | (part & mask) << shift;
		rc = table_entry_cmpxchg(pg, offset, old, new, v);
		if (!rc)
			ptwrite_results(regs, w, old >> shift & mask, true,
					flags);
	} else {
		ptwrite_results(regs, w, old >> shift & mask, false, flags);
	}
	return rc;
}

// A store to a frame of ours that Dom0 may read has no effect.
static bool mmio_readonly(u64 e, struct cpu_regs *regs, const struct ptwrite *w)
{
	if (!mmio_is_readonly(pte_mfn(e)))
		return false;
	regs->rip += w->length;
	return true;
}

bool ptwrite_emulate(struct vcpu *v, struct cpu_regs *regs, u64 address)
{
	struct page_info *pg;
	struct ptwrite w;
	u8 code[15];
	u64 e, room;
	int rc;

	if (!guest_l1e_read(v, address, &e) || (e & (PTE_P | PTE_W)) != PTE_P)
		return false;
	// The instruction may end at the last mapped byte.
	room = MIN(sizeof(code), PAGE_SIZE - (regs->rip & ~PAGE_MASK));
	memset(code, 0, sizeof(code));
	if (copy_from_guest(code, regs->rip, room) ||
	    (room < sizeof(code) &&
	     copy_from_guest(code + room, regs->rip + room,
			     sizeof(code) - room) &&
	     room == 0))
		return false;
	if (!ptwrite_decode(&w, code, sizeof(code)) ||
	    (address & 7) + w.size > 8)
		return false;
	if (mmio_readonly(e, regs, &w))
		return true;
	pg = mfn_to_page(pte_mfn(e));
	// As on Xen, the assist is there whether asked for or not.
	if (!mfn_valid(pte_mfn(e)) || !page_get(pg, &v->domain->account))
		return false;
	if (!page_lock(pg)) {
		page_put(pg);
		return false;
	}
	rc = (pg->type & PGT_TYPE) == PGT_L1
		     ? ptwrite_store(v, pg, address, regs, &w)
		     : -EINVAL;
	page_unlock(pg);
	page_put(pg);
	TRACE(TRC_PV_PTWR_EMULATION | TRC_64_FLAG, TRACE_64(e),
	      TRACE_64(address), TRACE_64(regs->rip));
	// -EAGAIN: the processor changed the entry meanwhile; run it again.
	return !rc || rc == -EAGAIN;
}
