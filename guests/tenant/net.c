// SPDX-License-Identifier: MIT
// A network card: frames go out, and what the backend says of them is looked
// at. Nothing is received: it never has a buffer for that.
#include "tenant/tenant.h"
#include <xen/io/netif.h>

#define FRAMES 64u
#define BYTES  1514u
#define TYPE   0x88b5 // for experiments (IEEE 802)

static u8 frame[FRAMES][PAGE_SIZE] __page_aligned;
static u32 refs[FRAMES];
static u8 tx_page[PAGE_SIZE] __page_aligned, rx_page[PAGE_SIZE] __page_aligned;
static struct netif_tx_front_ring tx;
static struct front front = { .path = "device/vif/0" };

static void start(void)
{
	static const u8 to_all[6] = { 255, 255, 255, 255, 255, 255 };
	struct netif_tx_sring *shared_tx = (void *)tx_page;
	struct netif_rx_sring *shared_rx = (void *)rx_page;

	front_begin(&front);
	SHARED_RING_INIT(shared_tx);
	SHARED_RING_INIT(shared_rx);
	FRONT_RING_INIT(&tx, shared_tx, PAGE_SIZE);
	for (u32 i = 0; i < FRAMES; i++) {
		memcpy(frame[i], to_all, 6);
		frame[i][6] = 2; // an address of one's own making
		frame[i][12] = TYPE >> 8;
		frame[i][13] = TYPE & 255;
		refs[i] = grant_page(frame[i], front.domid, GTF_readonly);
	}
	front_write(&front, "tx-ring-ref", grant_page(tx_page, front.domid, 0));
	front_write(&front, "rx-ring-ref", grant_page(rx_page, front.domid, 0));
	front_write(&front, "request-rx-copy", 1);
	front_connect(&front);
}

static void send(u32 i)
{
	*RING_GET_REQUEST(&tx, tx.req_prod_pvt) = (struct netif_tx_request){
		.gref = refs[i], .id = (u16)i, .size = BYTES
	};
	tx.req_prod_pvt++;
}

u64 net_round(void)
{
	static bool started;
	unsigned int answers = 0, notify, more;
	u64 wrong = 0;

	if (!started)
		start();
	started = true;
	for (u32 i = 0; i < FRAMES; i++)
		send(i);
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&tx, notify);
	if (notify)
		port_send(front.port);
	while (answers < FRAMES) {
		RING_FINAL_CHECK_FOR_RESPONSES(&tx, more);
		if (!more) {
			store_wait();
			continue;
		}
		wrong += RING_GET_RESPONSE(&tx, tx.rsp_cons)->status !=
			 NETIF_RSP_OKAY;
		tx.rsp_cons++;
		answers++;
	}
	return wrong;
}
