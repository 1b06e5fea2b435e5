// SPDX-License-Identifier: MIT
// A domain's grant table: its frames, growth, version, end.
#include "grant/private.h"
#include "con/con.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/alloc.h"

#define FRAMES_LIMIT   1024
#define MAPTRACK_LIMIT 4096

void grant_frame_set(struct grant_table *t, u32 ref, u64 frame)
{
	struct grant_entry_v1 *v1 = grant_entry(t, ref);
	union grant_entry_v2 *v2 = grant_entry(t, ref);

	if (t->version == 1)
		WRITE_ONCE(v1->frame, (u32)frame);
	else
		WRITE_ONCE(v2->full_page.frame, frame);
}

const struct grant_active *grant_used(struct grant_table *t, u32 ref)
{
	const struct grant_active *a = grant_active(t, ref);

	return grant_in_use(a) ? a : NULL;
}

// Frames up to `want` behind those that the guest has, which cannot reach them
// yet; returns how many there are now.
static u32 list_prepare(struct frame_list *l, u32 want)
{
	u32 n = l->n;

	while (n < want && (l->frame[n] = hvpages_alloc(0)))
		n++;
	return n;
}

static void list_drop(struct frame_list *l, u32 prepared)
{
	while (prepared > l->n)
		hvpages_free(l->frame[--prepared], 0);
}

static void list_give(struct domain *d, struct frame_list *l, u32 prepared)
{
	for (; l->n < prepared; l->n++) {
		page_share(&d->account, virt_to_page(l->frame[l->n]), true);
		m2p_set(virt_to_mfn(l->frame[l->n]), M2P_INVALID);
	}
}

static void active_shrink(struct grant_table *t, u32 want)
{
	while (t->active_pages > want)
		hvpages_free(t->active[--t->active_pages], 0);
}

// What using a grant takes is there beforehand: nobody who maps one is refused
// because memory ran out.
static int active_grow(struct grant_table *t, u32 want)
{
	while (t->active_pages < want) {
		t->active[t->active_pages] = hvpages_alloc(0);
		if (!t->active[t->active_pages])
			return -ENOMEM;
		t->active_pages++;
	}
	return 0;
}

int grant_grow(struct domain *d, u32 n)
{
	struct grant_table *t = d->grant;
	u32 want = t->version == 2 ? (u32)STATUS_FRAMES(n) : 0;
	u32 shared, status;

	if (n > t->max_frames || t->dead)
		return -EINVAL;
	shared = list_prepare(&t->shared, n);
	status = list_prepare(&t->status, want);
	if (active_grow(t, n) || shared < n || status < want) {
		list_drop(&t->shared, shared);
		list_drop(&t->status, status);
		active_shrink(t, t->shared.n);
		return -ENOMEM;
	}
	list_give(d, &t->shared, shared);
	list_give(d, &t->status, status);
	return 0;
}

static struct frame_list *list_of(struct grant_table *t, bool status)
{
	return status ? &t->status : &t->shared;
}

int grant_frame_get(struct domain *d, u32 idx, bool status, mfn_t *out)
{
	struct grant_table *t = d->grant;
	u32 per = status ? STATUS_PER_FRAME / V2_PER_FRAME : 1;

	SPIN_GUARD(&t->lock);
	// Also when memory runs out, as on Xen.
	if ((status && t->version != 2) || idx >= DIV_UP(t->max_frames, per) ||
	    grant_grow(d, MIN((idx + 1) * per, t->max_frames)))
		return -EINVAL;
	*out = virt_to_mfn(list_of(t, status)->frame[idx]);
	return 0;
}

int grant_setup(struct domain *d, u32 frames)
{
	SPIN_GUARD(&d->grant->lock);
	return grant_grow(d, frames ? frames : 1) ? GNTST_general_error
						  : GNTST_okay;
}

int grant_status_check(struct domain *d, u32 frames)
{
	struct grant_table *t = d->grant;

	SPIN_GUARD(&t->lock);
	return t->version == 2 && frames <= t->status.n ? GNTST_okay
							: GNTST_general_error;
}

u64 grant_frame_number(struct domain *d, u32 idx, bool status)
{
	const struct frame_list *l = list_of(d->grant, status);

	SPIN_GUARD(&d->grant->lock);
	return idx < l->n ? mfn_val(virt_to_mfn(l->frame[idx])) : ~0UL;
}

struct grant_size grant_size(const struct domain *d)
{
	const struct grant_table *t = d->grant;

	return (struct grant_size){ READ_ONCE(t->shared.n), t->max_frames,
				    READ_ONCE(t->version) };
}

// Versions. The entries for the tools live through a change.

// -ERANGE: version 1 cannot say it.
static int save_reserved(struct grant_table *t, struct grant_entry_v1 *save,
			 u32 i)
{
	u32 head = READ_ONCE(*(u32 *)grant_entry(t, i));
	u64 frame = grant_frame(t, i);

	if (t->version == 2) {
		if ((head & GTF_type_mask) == GTF_transitive || frame >> 32 ||
		    head & GTF_sub_page)
			return -ERANGE;
		head |= READ_ONCE(*grant_status_word(t, i));
	}
	*save = (struct grant_entry_v1){ (u16)head, (u16)(head >> 16),
					 (u32)frame };
	return 0;
}

static void load_reserved(struct grant_table *t,
			  const struct grant_entry_v1 *save, u32 i)
{
	const u16 marks = GTF_reading | GTF_writing;
	u32 *head = grant_entry(t, i);

	grant_frame_set(t, i, save->frame);
	*head = save->flags | (u32)save->domid << 16;
	if (t->version == 1)
		return;
	*head &= ~(u32)marks;
	*grant_status_word(t, i) = save->flags & marks;
}

static void list_clear(struct frame_list *l)
{
	for (u32 i = 0; i < l->n; i++)
		memset(l->frame[i], 0, PAGE_SIZE);
}

static int change_version(struct domain *d, u32 version)
{
	struct grant_table *t = d->grant;
	struct grant_entry_v1 save[GNTTAB_NR_RESERVED_ENTRIES];
	u32 status, prepared;
	int rc = 0;

	for (u32 i = GNTTAB_NR_RESERVED_ENTRIES; i < grant_entries(t); i++)
		if (grant_used(t, i))
			return -EBUSY;
	for (u32 i = 0; !rc && t->shared.n && i < ARRAY_SIZE(save); i++)
		rc = save_reserved(t, &save[i], i);
	if (rc)
		return rc;
	status = version == 2 ? (u32)STATUS_FRAMES(t->shared.n) : 0;
	prepared = list_prepare(&t->status, status);
	if (prepared < status) {
		list_drop(&t->status, prepared);
		return -ENOMEM;
	}
	list_give(d, &t->status, prepared);
	list_clear(&t->shared);
	list_clear(&t->status);
	t->version = version;
	for (u32 i = 0; t->shared.n && i < ARRAY_SIZE(save); i++)
		load_reserved(t, &save[i], i);
	return 0;
}

int grant_set_version(u32 version)
{
	struct grant_table *t = currd->grant;

	if (version != 1 && version != 2)
		return -EINVAL;
	if (version > t->max_version)
		return -ENOSYS;
	SPIN_GUARD(&t->lock);
	if (version == t->version)
		return 0;
	return t->dead ? -EINVAL : change_version(currd, version);
}

static void list_end(struct frame_list *l)
{
	while (l->n)
		page_unshare(virt_to_page(l->frame[--l->n]));
}

static void table_dump(struct domain *d)
{
	struct grant_table *t = d->grant;

	SPIN_GUARD(&t->lock);
	printk("d%u: grant table v%u, %u of %u frames\n", d->id, t->version,
	       t->shared.n, t->max_frames);
	for (u32 i = 0; i < grant_entries(t); i++) {
		const struct grant_active *a = grant_used(t, i);

		if (a)
			printk("  %u: d%u, mfn %#x%s, %u reading, %u writing\n",
			       i, a->domid, a->frame,
			       a->transitive ? " (another's)" : "", a->readers,
			       a->writers);
	}
}

static void key_tables(char key)
{
	domains_visit(table_dump);
}

// The domain's life.

// Frames and mappings are gone by relinquish, or never were.
static void table_exit(struct domain *d)
{
	struct grant_table *t = d->grant;

	if (!t)
		return;
	active_shrink(t, 0);
	for (u32 i = 0; i < t->map_frames; i++)
		hvpages_free(t->maps[i], 0);
	heap_free(t->maps);
	heap_free(t->shared.frame);
	heap_free(t->active);
	heap_free(t->status.frame);
	heap_free(t);
}

static int table_init(struct domain *d, const struct domain_config *cfg)
{
	struct grant_table *t;
	u32 frames = cfg->max_grant_frames, maps = cfg->max_maptrack_frames;

	if (!frames || frames == ~0u)
		frames = FRAMES_DEFAULT;
	if (maps == ~0u || (!maps && d->is_hardware))
		maps = MAPTRACK_DEFAULT;
	if (frames > FRAMES_LIMIT || maps > MAPTRACK_LIMIT)
		return -EINVAL;
	t = heap_alloc(sizeof(*t));
	if (!t)
		return -ENOMEM;
	d->grant = t;
	spin_init(&t->lock, RANK_GRANT_TABLE);
	spin_init(&t->map_lock, RANK_MAPTRACK);
	if (d->is_hardware) // the first one there is
		debug_key_register('g', key_tables, "grant tables");
	t->version = 1;
	t->max_version = cfg->grant_version == 1 ? 1 : 2;
	t->max_frames = frames;
	t->max_map_frames = maps;
	t->map_free = NO_HANDLE;
	t->active = heap_alloc_array(frames, sizeof(void *));
	t->shared.frame = heap_alloc_array(frames, sizeof(void *));
	t->status.frame =
		heap_alloc_array(STATUS_FRAMES(frames), sizeof(void *));
	return t->active && t->shared.frame && t->status.frame ? 0 : -ENOMEM;
}

// Others may still have mapped what it grants: that stays until they unmap it,
// but nobody writes to the shared frames any more.
static int table_relinquish(struct domain *d)
{
	struct grant_table *t = d->grant;
	int rc = grant_unmap_all(d);

	if (rc)
		return rc;
	SPIN_GUARD(&t->lock);
	t->dead = true;
	list_end(&t->shared);
	list_end(&t->status);
	return 0;
}

const struct domain_unit grant_unit = {
	.init = table_init,
	.exit = table_exit,
	.relinquish = table_relinquish,
};
