/* Frames that are sent as they were received. */
#include "shim.h"

#include <errno.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_net.h>
#include <rte_tcp.h>
#include <rte_udp.h>

/* Where the headers of a frame lie, and what they are. */
struct headers {
	uint32_t l3_at;
	uint32_t l4_at;
	uint32_t l4_bytes;
	bool ipv6;
	bool tcp;
};

static int
find_headers(const struct rte_mbuf *frame, struct headers *out)
{
	struct rte_net_hdr_lens lens;
	uint32_t type = rte_net_get_ptype(frame, &lens, RTE_PTYPE_ALL_MASK);

	out->l3_at = lens.l2_len;
	out->l4_at = lens.l2_len + lens.l3_len;
	out->l4_bytes = lens.l4_len;
	out->ipv6 = RTE_ETH_IS_IPV6_HDR(type);
	out->tcp = (type & RTE_PTYPE_L4_MASK) == RTE_PTYPE_L4_TCP;
	if (!out->ipv6 && !RTE_ETH_IS_IPV4_HDR(type))
		return -EINVAL;
	if (!out->tcp && (type & RTE_PTYPE_L4_MASK) != RTE_PTYPE_L4_UDP)
		return -EINVAL;
	/* They are written to, so they must lie where the frame begins. */
	if (frame->data_len < out->l4_at + out->l4_bytes)
		return -EINVAL;
	return 0;
}

/* The sum over the pseudo-header, without the length where a port will cut. */
static uint16_t
pseudo_sum(const void *ip, bool ipv6, uint64_t flags)
{
	return ipv6 ? rte_ipv6_phdr_cksum(ip, flags) : rte_ipv4_phdr_cksum(ip, flags);
}

static void
leave_to_port(struct rte_mbuf *frame, const struct headers *headers, uint64_t flags)
{
	void *ip = rte_pktmbuf_mtod_offset(frame, void *, headers->l3_at);
	struct rte_tcp_hdr *tcp =
		rte_pktmbuf_mtod_offset(frame, struct rte_tcp_hdr *, headers->l4_at);

	flags |= RTE_MBUF_F_TX_TCP_CKSUM;
	flags |= headers->ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
	frame->l2_len = headers->l3_at;
	frame->l3_len = headers->l4_at - headers->l3_at;
	frame->l4_len = headers->l4_bytes;
	frame->ol_flags |= flags;
	tcp->cksum = pseudo_sum(ip, headers->ipv6, frame->ol_flags);
}

static void
fill_in(struct rte_mbuf *frame, const struct headers *headers)
{
	const void *ip = rte_pktmbuf_mtod_offset(frame, const void *, headers->l3_at);
	uint32_t field_at = headers->l4_at + (headers->tcp ? offsetof(struct rte_tcp_hdr, cksum)
							   : offsetof(struct rte_udp_hdr, dgram_cksum));
	uint8_t *field = rte_pktmbuf_mtod_offset(frame, uint8_t *, field_at);
	uint16_t sum = 0;

	memcpy(field, &sum, sizeof(sum));
	sum = headers->ipv6 ? rte_ipv6_udptcp_cksum_mbuf(frame, ip, headers->l4_at)
			    : rte_ipv4_udptcp_cksum_mbuf(frame, ip, headers->l4_at);
	memcpy(field, &sum, sizeof(sum));
}

int
mpdk_frame_forward(struct rte_mbuf *frame, const struct mpdk_forward *port)
{
	uint64_t flags = frame->ol_flags;
	bool whole = (flags & (RTE_MBUF_F_RX_LRO | RTE_MBUF_F_TX_TCP_SEG)) != 0;
	/*
	 * NONE: the field holds what virtio's sender left there. A flag for
	 * sending stands there if the frame was forwarded once, as a copy has,
	 * or came over net_ring, which passes the sender's buffer on.
	 */
	bool unfinished = whole || (flags & RTE_MBUF_F_TX_L4_MASK) != 0 ||
			  (flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE;
	struct headers headers;

	if (frame->pkt_len > port->max_bytes || frame->nb_segs > port->max_segments)
		return -EMSGSIZE;
	/* What stays says where the bytes lie. */
	frame->ol_flags = flags & (RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT);
	if (!unfinished)
		return 0;
	if (find_headers(frame, &headers) != 0)
		return -EINVAL;
	if (whole) {
		if (!headers.tcp || !(headers.ipv6 ? port->cuts_ipv6 : port->cuts_ipv4))
			return -EMSGSIZE;
		leave_to_port(frame, &headers, RTE_MBUF_F_TX_TCP_SEG);
	} else if (headers.tcp && port->tcp_checksum) {
		leave_to_port(frame, &headers, 0);
	} else {
		fill_in(frame, &headers);
	}
	return 0;
}
