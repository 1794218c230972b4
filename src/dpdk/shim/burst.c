/* The packet path: one call per burst. */
#include "shim.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

static uint8_t
ip_checksum_state(uint64_t flags)
{
	switch (flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) {
	case RTE_MBUF_F_RX_IP_CKSUM_GOOD:
	case RTE_MBUF_F_RX_IP_CKSUM_NONE:
		return MPDK_CHECKSUM_GOOD;
	case RTE_MBUF_F_RX_IP_CKSUM_BAD:
		return MPDK_CHECKSUM_BAD;
	default:
		return MPDK_CHECKSUM_UNKNOWN;
	}
}

/*
 * NONE: the packet's field is not filled in but its bytes are known to be
 * whole, as between virtio devices.
 */
static uint8_t
l4_checksum_state(uint64_t flags)
{
	switch (flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) {
	case RTE_MBUF_F_RX_L4_CKSUM_GOOD:
	case RTE_MBUF_F_RX_L4_CKSUM_NONE:
		return MPDK_CHECKSUM_GOOD;
	case RTE_MBUF_F_RX_L4_CKSUM_BAD:
		return MPDK_CHECKSUM_BAD;
	default:
		return MPDK_CHECKSUM_UNKNOWN;
	}
}

static void
describe(struct rte_mbuf *mbuf, struct mpdk_received *out)
{
	uint64_t flags = mbuf->ol_flags;

	out->mbuf = mbuf;
	out->data = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	out->data_len = mbuf->data_len;
	out->packet_len = mbuf->pkt_len;
	out->segments = mbuf->nb_segs;
	out->vlan = mbuf->vlan_tci;
	out->vlan_stripped = (flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0;
	out->ip_checksum = ip_checksum_state(flags);
	out->l4_checksum = l4_checksum_state(flags);
	/* Headers to TCP's, and their options. */
	rte_prefetch0(out->data);
	rte_prefetch0(out->data + RTE_CACHE_LINE_SIZE);
}

uint16_t
mpdk_receive_burst(uint16_t port, uint16_t queue, struct mpdk_received *out, uint16_t max)
{
	struct rte_mbuf *mbufs[MPDK_BURST];
	uint16_t count;
	uint16_t i;

	count = rte_eth_rx_burst(port, queue, mbufs, RTE_MIN(max, (uint16_t)MPDK_BURST));
	for (i = 0; i < count; i++) {
		if (i + 1 < count)
			rte_prefetch0(mbufs[i + 1]);
		describe(mbufs[i], &out[i]);
	}
	return count;
}

uint16_t
mpdk_transmit_prepare(uint16_t port, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	return rte_eth_tx_prepare(port, queue, frames, count);
}

uint16_t
mpdk_transmit_burst(uint16_t port, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, frames, count);
}

int
mpdk_transmit_reclaim(uint16_t port, uint16_t queue)
{
	return rte_eth_tx_done_cleanup(port, queue, 0);
}
