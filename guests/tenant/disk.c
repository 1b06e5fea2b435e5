// SPDX-License-Identifier: MIT
// A disk: some of it is written and read again, many requests at a time. Its
// pages are granted several times; data/set says which grants are used.
#include "tenant/tenant.h"
#include <xen/io/blkif.h>

#define REQUESTS 8u
#define SEGMENTS BLKIF_MAX_SEGMENTS_PER_REQUEST
#define SECTORS	 8u // of a page
#define SETS	 4u

static u8 data[REQUESTS][SEGMENTS][PAGE_SIZE] __page_aligned;
static u32 refs[SETS][REQUESTS][SEGMENTS], set;
static u8 ring_page[PAGE_SIZE] __page_aligned;
static struct blkif_front_ring ring;
static struct front front = { .path = "device/vbd/51712" };

static void start(void)
{
	struct blkif_sring *shared_ring = (void *)ring_page;

	front_begin(&front);
	SHARED_RING_INIT(shared_ring);
	FRONT_RING_INIT(&ring, shared_ring, PAGE_SIZE);
	for (u32 i = 0; i < SETS * REQUESTS; i++)
		for (u32 j = 0; j < SEGMENTS; j++)
			refs[i / REQUESTS][i % REQUESTS][j] = grant_page(
				data[i % REQUESTS][j], front.domid, 0);
	front_write(&front, "ring-ref", grant_page(ring_page, front.domid, 0));
	front_connect(&front);
}

static void ask(u8 operation, u32 i)
{
	struct blkif_request *r = RING_GET_REQUEST(&ring, ring.req_prod_pvt);

	*r = (struct blkif_request){ .operation = operation,
				     .nr_segments = SEGMENTS,
				     .handle = 51712,
				     .id = i,
				     .sector_number = i * SEGMENTS * SECTORS };
	for (u32 j = 0; j < SEGMENTS; j++)
		r->seg[j] = (struct blkif_request_segment){
			.gref = refs[set][i][j], .last_sect = SECTORS - 1
		};
	ring.req_prod_pvt++;
}

// All requests at once; how many of them failed.
static u64 transfer(u8 operation)
{
	unsigned int answers = 0, notify, more;
	u64 wrong = 0;

	for (u32 i = 0; i < REQUESTS; i++)
		ask(operation, i);
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&ring, notify);
	if (notify)
		port_send(front.port);
	while (answers < REQUESTS) {
		RING_FINAL_CHECK_FOR_RESPONSES(&ring, more);
		if (!more) {
			store_wait();
			continue;
		}
		wrong += RING_GET_RESPONSE(&ring, ring.rsp_cons)->status !=
			 BLKIF_RSP_OKAY;
		ring.rsp_cons++;
		answers++;
	}
	return wrong;
}

u64 disk_round(void)
{
	static u64 round;
	u64 *words = (u64 *)data, n = sizeof(data) / sizeof(*words), wrong;
	long asked = store_read_number("data/set");

	if (!round++)
		start();
	set = asked > 0 ? (u32)asked % SETS : 0;
	for (u64 i = 0; i < n; i++)
		words[i] = round * n + i;
	wrong = transfer(BLKIF_OP_WRITE);
	memset(data, 0, sizeof(data));
	wrong += transfer(BLKIF_OP_READ);
	for (u64 i = 0; i < n; i++)
		wrong += words[i] != round * n + i;
	return wrong;
}
