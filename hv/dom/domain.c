// SPDX-License-Identifier: MIT
// Domains: creation, references, destruction.
//
// A domain is found from creation until its last reference is gone. Two
// references are its own: one until domain_kill() is through, one as long as
// frames exist whose owner it is. The last domain_put() may happen anywhere,
// so freeing is left to a softirq.
#include "dom/private.h"
#include "dom/trace.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "x86/panic.h"
#include "x86/softirq.h"
#include "x86/tlb.h"

// The account is at the page's start, and frames name their owner by it.
_Static_assert(sizeof(struct domain) <= PAGE_SIZE, "a domain is one page");
_Static_assert(offsetof(struct domain, account) == 0, "account first");
_Static_assert(sizeof(struct shared_info) <= PAGE_SIZE, "one page");

struct domain *dom0, *idle_domain, *dom_xen, *dom_io;
struct domain *domain_list;
static struct domain *buckets[256]; // the same, by hash
struct spinlock domain_list_lock = SPINLOCK_INIT(RANK_DOMLIST);
const struct domain_unit *domain_unit[MAX_UNITS];
unsigned int domain_units;
struct sched_hooks sched_hooks;
void (*domain_send_virq)(u32 virq);

static struct domain *to_free;		 // atomic, linked by next_free
static struct shared_info *spare_shared; // dead domains' shared info

void domain_unit_register(const struct domain_unit *u)
{
	if (domain_units == MAX_UNITS)
		panic("no room for another kind of state");
	domain_unit[domain_units++] = u;
}

static struct domain **bucket_of(u16 domid)
{
	return &buckets[(u8)domid];
}

// References.

static bool try_get(struct domain *d)
{
	u32 n = READ_ONCE(d->ref);

	do {
		if (!n)
			return false;
	} while (!__atomic_compare_exchange_n(
		&d->ref, &n, n + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	return true;
}

void domain_get(struct domain *d)
{
	__atomic_fetch_add(&d->ref, 1, __ATOMIC_SEQ_CST);
}

void domain_put(struct domain *d)
{
	struct domain *head;

	if (__atomic_sub_fetch(&d->ref, 1, __ATOMIC_SEQ_CST))
		return;
	head = READ_ONCE(to_free);
	do {
		d->next_free = head;
	} while (!__atomic_compare_exchange_n(
		&to_free, &head, d, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	softirq_raise(SOFTIRQ_RCU);
}

void domains_visit(void (*fn)(struct domain *d))
{
	SPIN_GUARD(&domain_list_lock);
	for_each_domain(d)
		fn(d);
}

struct domain *domain_get_from(u32 id)
{
	SPIN_GUARD(&domain_list_lock);
	for_each_domain(d)
		if (d->id >= id && try_get(d))
			return d;
	return NULL;
}

// No lock: all calls that name another domain come here. With interrupts off
// its page is not freed before list_remove() has heard from this CPU.
struct domain *domain_get_by_id(u16 domid)
{
	u64 flags = irq_save();
	struct domain *d = READ_ONCE(*bucket_of(domid));

	while (d && d->id != domid)
		d = READ_ONCE(d->next_same);
	if (d && !try_get(d))
		d = NULL;
	irq_restore(flags);
	return d;
}

struct domain *domain_get_self_or(u16 domid)
{
	if (domid != DOMID_SELF)
		return domain_get_by_id(domid);
	domain_get(currd);
	return currd;
}

// Creation.

// By id, behind those of the same one that nobody finds any more, but which are
// not off the list yet; -EEXIST. Visible to others from here on.
static int list_insert(struct domain *d)
{
	struct domain **at = &domain_list;

	SPIN_GUARD(&domain_list_lock);
	while (*at && ((*at)->id < d->id ||
		       ((*at)->id == d->id && !READ_ONCE((*at)->ref))))
		at = &(*at)->next;
	if (*at && (*at)->id == d->id)
		return -EEXIST;
	d->next = *at;
	*at = d;
	at = bucket_of(d->id);
	d->next_same = *at;
	__atomic_store_n(at, d, __ATOMIC_RELEASE);
	return 0;
}

// It may have got nowhere near the list. Afterwards nobody looks at it.
static void list_remove(struct domain *d)
{
	struct domain **at = &domain_list;

	spin_lock(&domain_list_lock);
	while (*at && *at != d)
		at = &(*at)->next;
	if (*at)
		*at = d->next;
	at = bucket_of(d->id);
	while (*at && *at != d)
		at = &(*at)->next_same;
	if (*at)
		__atomic_store_n(at, d->next_same, __ATOMIC_RELAXED);
	spin_unlock(&domain_list_lock);
	// Each CPU that answers is not, or no longer, in domain_get_by_id().
	tlb_flush_mask(cpu_online);
}

static void account_empty(struct page_account *who)
{
	domain_put(container_of(who, struct domain, account));
}

static struct domain *domain_alloc(u16 id)
{
	struct domain *d = hvpages_alloc(0);

	if (!d)
		return NULL;
	d->id = id;
	d->ref = 2;
	d->pause_count = d->controller_pauses = 1;
	spin_init(&d->lock, RANK_DOMAIN);
	spin_init(&d->account.lock, RANK_PAGELIST);
	d->account.empty = account_empty;
	return d;
}

static int parts_alloc(struct domain *d, const struct domain_config *cfg)
{
	struct page_info *pg;

	d->create_flags = cfg->flags;
	d->ssidref = cfg->ssidref;
	d->is_control = d->is_hardware = cfg->domid == 0;
	d->ops = cfg->ops;
	memcpy(d->handle, cfg->handle, sizeof(d->handle));
	d->vcpu = heap_alloc_array(cfg->max_vcpus, sizeof(*d->vcpu));
	d->max_vcpus = d->vcpu ? cfg->max_vcpus : 0;
	for (unsigned int i = 0; i < RIGHTS; i++)
		rangeset_init(&d->rights[i], heap_alloc, heap_free);
	// 32-bit kernels learn its machine address in 32 bits.
	pg = frames_alloc(0, 32, ALLOC_ZERO);
	if (!pg)
		pg = frames_alloc(0, 0, ALLOC_ZERO);
	if (!pg)
		return -ENOMEM;
	d->shared = map_frame(page_to_mfn(pg));
	page_share(&d->account, pg, true);
	m2p_set(virt_to_mfn(d->shared), M2P_INVALID);
	return d->vcpu ? 0 : -ENOMEM;
}

static int units_init(struct domain *d, const struct domain_config *cfg)
{
	int rc = 0;

	for (unsigned int i = 0; i < domain_units && !rc; i++)
		if (domain_unit[i]->init)
			rc = domain_unit[i]->init(d, cfg);
	return rc;
}

// All that domain_create() made, or what there is of it.
static void domain_free(struct domain *d)
{
	struct vcpu *v;

	list_remove(d);
	for_each_vcpu(d, v)
		vcpu_destroy(v);
	d->ops->domain_exit(d);
	for (unsigned int i = domain_units; i--;)
		if (domain_unit[i]->exit)
			domain_unit[i]->exit(d);
	for (unsigned int i = 0; i < RIGHTS; i++)
		rangeset_exit(&d->rights[i]);
	heap_free(d->vcpu);
	heap_free(d->memory_map);
	hvpages_free(d, 0);
}

int domain_create(const struct domain_config *cfg, struct domain **out)
{
	struct domain *d;
	int rc;

	if (cfg->domid >= DOMID_FIRST_RESERVED || !cfg->max_vcpus ||
	    cfg->max_vcpus > MAX_VCPUS)
		return -EINVAL;
	d = domain_alloc(cfg->domid);
	if (!d)
		return -ENOMEM;
	rc = parts_alloc(d, cfg);
	if (!rc)
		rc = units_init(d, cfg);
	if (!rc)
		rc = d->ops->domain_init(d);
	if (!rc)
		rc = list_insert(d);
	if (rc) {
		if (d->shared)
			page_unshare(virt_to_page(d->shared));
		domain_free(d);
		return rc;
	}
	if (d->id == 0)
		dom0 = d;
	TRACE(TRC_DOM0_DOM_ADD, d->id);
	*out = d;
	return 0;
}

// Destruction.

static void free_waiting(void)
{
	struct domain *d =
		__atomic_exchange_n(&to_free, NULL, __ATOMIC_SEQ_CST);

	while (d) {
		struct domain *next = d->next_free;

		TRACE(TRC_DOM0_DOM_REM, d->id);
		domain_free(d);
		// The tools wait for the id to be free.
		domain_send_virq(VIRQ_DOM_EXC);
		d = next;
	}
}

static void relinquish_start(struct domain *d)
{
	d->state = DOM_DYING;
	sched_hooks.domain_pause(d);
	spin_lock(&d->account.lock);
	d->account.dying = true;
	spin_unlock(&d->account.lock);
	frames_claim(&d->account, 0);
}

// What the hypervisor itself holds of the domain's frames, then what its
// tables do. Events are closed, so nobody looks at the shared info any more
// but under d->lock.
static int relinquish_guest(struct domain *d)
{
	struct shared_info *shared = d->shared;
	struct vcpu *v;

	if (shared != spare_shared) {
		for_each_vcpu(d, v)
			vcpu_info_release(v);
		spin_lock(&d->lock);
		d->shared = spare_shared;
		spin_unlock(&d->lock);
		page_unshare(virt_to_page(shared));
	}
	return d->ops->relinquish(d);
}

#define FRAMES_AT_ONCE 64

// A frame that others have mapped stays, and frees itself later.
static u64 relinquish_used(struct page_account *who, struct page_info *pg)
{
	// Freed under our eyes: it leaves the list in a moment.
	if (!page_get(pg, who)) {
		cpu_relax();
		return 0;
	}
	page_to_tail(who, pg);
	if (page_take_allocated(pg))
		page_put(pg);
	page_put(pg);
	return 1;
}

// Each frame of the list once.
static int relinquish_frames(struct domain *d)
{
	struct page_account *who = &d->account;
	struct page_info *pg;
	u64 n;

	if (!d->relinquish_left)
		d->relinquish_left = READ_ONCE(who->total) + 1;
	while (d->relinquish_left > 1 && (pg = page_first(who))) {
		n = page_free_unused(
			who, MIN(d->relinquish_left - 1, (u64)FRAMES_AT_ONCE));
		d->relinquish_left -= n ? n : relinquish_used(who, pg);
		if (softirq_pending())
			return -ERESTART;
	}
	return 0;
}

static int relinquish_close(struct domain *d)
{
	page_account_close(&d->account);
	d->state = DOM_DEAD;
	domain_send_virq(VIRQ_DOM_EXC);
	domain_put(d);
	return 0;
}

// Of each unit, then these.
static int (*const last_steps[])(struct domain *d) = {
	relinquish_guest,
	relinquish_frames,
	relinquish_close,
};

static int relinquish_one(struct domain *d)
{
	unsigned int i = d->relinquish_step;

	if (i >= domain_units)
		return last_steps[i - domain_units](d);
	return domain_unit[i]->relinquish ? domain_unit[i]->relinquish(d) : 0;
}

// Under the control lock; the caller holds a reference of its own. -EINVAL:
// d is the caller or Dom0.
int domain_kill(struct domain *d)
{
	int rc;

	if (d == currd || d == dom0)
		return -EINVAL;
	if (d->state == DOM_ALIVE)
		relinquish_start(d);
	while (d->state != DOM_DEAD) {
		rc = relinquish_one(d);
		if (rc)
			return rc;
		d->relinquish_step++;
		if (d->state != DOM_DEAD && softirq_pending())
			return -ERESTART;
	}
	return 0;
}

// Owners that are no guests: never freed, not on the list.
int domain_create_idle(void)
{
	spare_shared = hvpages_alloc(0);
	idle_domain = domain_alloc(DOMID_IDLE);
	dom_xen = domain_alloc(DOMID_XEN);
	dom_io = domain_alloc(DOMID_IO);
	if (!spare_shared || !idle_domain || !dom_xen || !dom_io)
		return -ENOMEM;
	idle_domain->pause_count = 0;
	idle_domain->shared = spare_shared;
	softirq_register(SOFTIRQ_RCU, free_waiting);
	show_init();
	return 0;
}
