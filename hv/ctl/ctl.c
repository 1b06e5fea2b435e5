// SPDX-License-Identifier: MIT
// What domctl, sysctl and platform_op share.
#include "access/access.h"
#include "ctl/private.h"

static struct spinlock lock = SPINLOCK_INIT(RANK_CONTROL);

bool control_lock(void)
{
	// Not waited for: its holder may be pausing us.
	while (!spin_trylock(&lock)) {
		if (preempt_check())
			return false;
		cpu_relax();
	}
	return true;
}

void control_unlock(void)
{
	spin_unlock(&lock);
}

static u64 low_bits(u64 set, u32 bits)
{
	return bits < 64 ? set & (BIT(bits) - 1) : set;
}

int bitmap_from_guest(u64 *out, const struct xenctl_bitmap *from, u32 bits)
{
	u64 set = 0;

	if (copy_from_guest(&set, handle_gva(from->bitmap),
			    MIN(DIV_UP((u64)from->nr_bits, 8), sizeof(set))))
		return -EFAULT;
	*out = low_bits(set, MIN(from->nr_bits, bits));
	return 0;
}

int bitmap_to_guest(const struct xenctl_bitmap *to, u64 set, u32 bits)
{
	u64 gva = handle_gva(to->bitmap), bytes = DIV_UP((u64)to->nr_bits, 8);
	u64 n = MIN(bytes, sizeof(set));

	if (bytes > PAGE_SIZE)
		return -E2BIG;
	set = low_bits(set, bits);
	if (copy_to_guest(gva, &set, n) || clear_guest(gva + n, bytes - n))
		return -EFAULT;
	return 0;
}

struct domain *domain_get_from(u32 id)
{
	struct domain *d = NULL;

	while (!d && id < DOMID_FIRST_RESERVED) {
		u32 next = DOMID_FIRST_RESERVED;

		spin_lock(&domain_list_lock);
		list_for_each(l, &domain_list) {
			next = list_entry(l, struct domain, all)->id;
			if (next >= id)
				break;
			next = DOMID_FIRST_RESERVED;
		}
		spin_unlock(&domain_list_lock);
		if (next < DOMID_FIRST_RESERVED)
			d = domain_get_by_id((u16)next);
		id = next + 1;
	}
	return d;
}
