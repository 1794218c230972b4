/* Packet buffers: references to received ones, frames to send. */
#include "shim.h"

#include <errno.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

/* The counter has 16 bits; the distance covers threads that count at once. */
#define REFERENCE_LIMIT (UINT16_MAX - 1024)

void
mpdk_mbuf_segment(const struct rte_mbuf *mbuf, struct mpdk_segment *segment)
{
	segment->data = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	segment->len = mbuf->data_len;
	segment->next = mbuf->next;
}

bool
mpdk_mbuf_share(struct rte_mbuf *mbuf)
{
	/* All segments of a chain are shared and freed together. */
	if (rte_mbuf_refcnt_read(mbuf) >= REFERENCE_LIMIT)
		return false;
	rte_pktmbuf_refcnt_update(mbuf, 1);
	return true;
}

void
mpdk_mbuf_free(struct rte_mbuf *mbuf)
{
	rte_pktmbuf_free(mbuf);
}

void
mpdk_mbuf_free_bulk(struct rte_mbuf **mbufs, uint32_t count)
{
	rte_pktmbuf_free_bulk(mbufs, count);
}

static bool
is_held_once(const struct rte_mbuf *mbuf)
{
	return rte_mbuf_refcnt_read(mbuf) == 1 && !RTE_MBUF_CLONED(mbuf) &&
	       (!RTE_MBUF_HAS_EXTBUF(mbuf) || rte_mbuf_ext_refcnt_read(mbuf->shinfo) == 1);
}

/* Leaves only these bytes in the buffer. */
static void
narrow(struct rte_mbuf *mbuf, const uint8_t *data, uint32_t len)
{
	mbuf->data_off = data - (const uint8_t *)mbuf->buf_addr;
	mbuf->data_len = len;
}

bool
mpdk_mbuf_append(struct rte_mbuf *chain, const uint8_t *head, uint32_t head_len,
		 struct rte_mbuf *last, struct rte_mbuf *tail, const uint8_t *tail_data,
		 uint32_t tail_len)
{
	if (tail->nb_segs != 1 || last->next != NULL || chain->nb_segs == RTE_MBUF_MAX_NB_SEGS)
		return false;
	if (!is_held_once(tail) || !is_held_once(chain))
		return false;
	if (last == chain) {
		narrow(chain, head, head_len);
		chain->pkt_len = head_len;
	}
	narrow(tail, tail_data, tail_len);
	last->next = tail;
	chain->nb_segs++;
	chain->pkt_len += tail_len;
	return true;
}

bool
mpdk_mbuf_exclusive(const struct rte_mbuf *mbuf)
{
	for (; mbuf != NULL; mbuf = mbuf->next) {
		if (rte_mbuf_refcnt_read(mbuf) != 1 || RTE_MBUF_CLONED(mbuf))
			return false;
		if (RTE_MBUF_HAS_EXTBUF(mbuf) && rte_mbuf_ext_refcnt_read(mbuf->shinfo) != 1)
			return false;
	}
	return true;
}

struct rte_mbuf *
mpdk_frame_new(struct rte_mempool *pool, const struct mpdk_piece *pieces, uint32_t count)
{
	struct rte_mbuf *frame = rte_pktmbuf_alloc(pool);

	if (frame == NULL)
		return NULL;
	if (mpdk_frame_append(pool, frame, pieces, count) < 0) {
		rte_pktmbuf_free(frame);
		return NULL;
	}
	return frame;
}

struct rte_mbuf *
mpdk_mbuf_whole(struct rte_mempool *pool)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);

	if (mbuf == NULL)
		return NULL;
	mbuf->data_off = 0;
	mbuf->data_len = mbuf->buf_len;
	mbuf->pkt_len = mbuf->buf_len;
	return mbuf;
}

/* Another empty segment behind `last`. */
static struct rte_mbuf *
add_segment(struct rte_mempool *pool, struct rte_mbuf *frame, struct rte_mbuf *last)
{
	struct rte_mbuf *segment;

	if (frame->nb_segs == RTE_MBUF_MAX_NB_SEGS)
		return NULL;
	segment = rte_pktmbuf_alloc(pool);
	if (segment == NULL)
		return NULL;
	/* Only the first needs room for headers in front. */
	segment->data_off = 0;
	last->next = segment;
	frame->nb_segs++;
	return segment;
}

/* Whether bytes may be written behind those of a segment of a frame of ours. */
static bool
is_writable(const struct rte_mbuf *segment)
{
	return RTE_MBUF_DIRECT(segment) || RTE_MBUF_HAS_PINNED_EXTBUF(segment);
}

/* Appends a copy behind `last`; returns the new last segment or NULL. */
static struct rte_mbuf *
append_copy(struct rte_mempool *pool, struct rte_mbuf *frame, struct rte_mbuf *last,
	    const uint8_t *from, uint32_t left)
{
	while (left > 0) {
		uint32_t room = is_writable(last) ? rte_pktmbuf_tailroom(last) : 0;
		uint32_t take = RTE_MIN(left, room);

		if (take == 0) {
			last = add_segment(pool, frame, last);
			if (last == NULL)
				return NULL;
			continue;
		}
		memcpy(rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len), from, take);
		last->data_len += take;
		frame->pkt_len += take;
		from += take;
		left -= take;
	}
	return last;
}

/* Appends a segment that refers to bytes of `part`; returns it or NULL. */
static struct rte_mbuf *
append_reference(struct rte_mempool *pool, struct rte_mbuf *frame, struct rte_mbuf *last,
		 const struct mpdk_part *part)
{
	struct rte_mbuf *segment = add_segment(pool, frame, last);

	if (segment == NULL)
		return NULL;
	/*
	 * net_virtio clears the flags of what it receives, also the one that says
	 * that the bytes lie elsewhere. Without it the reference would be counted
	 * in front of them: in another buffer's bytes.
	 */
	if (RTE_MBUF_HAS_PINNED_EXTBUF(part->buffer))
		part->buffer->ol_flags |= RTE_MBUF_F_EXTERNAL;
	rte_pktmbuf_attach(segment, part->buffer);
	segment->data_off = part->data - (const uint8_t *)segment->buf_addr;
	segment->data_len = part->len;
	/* Of a chain's first segment only; attaching copied it. */
	segment->next = NULL;
	frame->pkt_len += part->len;
	return segment;
}

int
mpdk_frame_append_parts(struct rte_mempool *pool, struct rte_mbuf *frame,
			const struct mpdk_part *parts, uint32_t count)
{
	struct rte_mbuf *last = rte_pktmbuf_lastseg(frame);
	uint32_t i;

	for (i = 0; i < count; i++) {
		const struct mpdk_part *part = &parts[i];

		last = part->buffer != NULL ?
			       append_reference(pool, frame, last, part) :
			       append_copy(pool, frame, last, part->data, part->len);
		if (last == NULL)
			return -ENOMEM;
	}
	return 0;
}

int
mpdk_frame_append(struct rte_mempool *pool, struct rte_mbuf *frame, const struct mpdk_piece *pieces,
		  uint32_t count)
{
	struct rte_mbuf *last = rte_pktmbuf_lastseg(frame);
	uint32_t i;

	for (i = 0; i < count; i++) {
		last = append_copy(pool, frame, last, pieces[i].data, pieces[i].len);
		if (last == NULL)
			return -ENOMEM;
	}
	return 0;
}
int
mpdk_frame_chain(struct rte_mbuf *frame, struct rte_mbuf *tail)
{
	return rte_pktmbuf_chain(frame, tail);
}

/*
 * With TSO drivers expect the pseudo-header's sum without the length, which
 * differs between segments (rte_mbuf_core.h, RTE_MBUF_F_TX_TCP_SEG).
 */
static int
set_segmentation_checksum(struct rte_mbuf *frame)
{
	uint32_t headers = frame->l2_len + frame->l3_len + sizeof(struct rte_tcp_hdr);
	void *ip = rte_pktmbuf_mtod_offset(frame, void *, frame->l2_len);
	struct rte_tcp_hdr *tcp;

	if (frame->data_len < headers)
		return -EINVAL;
	tcp = rte_pktmbuf_mtod_offset(frame, struct rte_tcp_hdr *, frame->l2_len + frame->l3_len);
	if (frame->ol_flags & RTE_MBUF_F_TX_IPV6)
		tcp->cksum = rte_ipv6_phdr_cksum(ip, frame->ol_flags);
	else
		tcp->cksum = rte_ipv4_phdr_cksum(ip, frame->ol_flags);
	return 0;
}

int
mpdk_frame_offload(struct rte_mbuf *frame, const struct mpdk_offload *offload)
{
	uint64_t flags = 0;

	if (!offload->ip_checksum && !offload->tcp_checksum && offload->segment_bytes == 0)
		return 0;
	flags |= offload->ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
	if (offload->ip_checksum && !offload->ipv6)
		flags |= RTE_MBUF_F_TX_IP_CKSUM;
	if (offload->tcp_checksum)
		flags |= RTE_MBUF_F_TX_TCP_CKSUM;
	frame->l2_len = offload->l2_bytes;
	frame->l3_len = offload->l3_bytes;
	frame->l4_len = offload->l4_bytes;
	if (offload->segment_bytes > 0) {
		flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM;
		frame->tso_segsz = offload->segment_bytes;
	}
	frame->ol_flags |= flags;
	return offload->segment_bytes > 0 ? set_segmentation_checksum(frame) : 0;
}

uint16_t
mpdk_frame_segments(const struct rte_mbuf *frame)
{
	return frame->nb_segs;
}

uint32_t
mpdk_frame_bytes(const struct rte_mbuf *frame)
{
	return frame->pkt_len;
}

struct rte_mbuf *
mpdk_frame_build(struct rte_mempool *pool, const uint8_t *header, uint32_t header_len,
		 const struct mpdk_part *parts, uint32_t count, uint16_t max_segments,
		 const struct mpdk_offload *offload, int *error)
{
	struct rte_mbuf *frame = rte_pktmbuf_alloc(pool);

	*error = ENOMEM;
	if (frame == NULL)
		return NULL;
	if (append_copy(pool, frame, frame, header, header_len) == NULL ||
	    mpdk_frame_append_parts(pool, frame, parts, count) < 0)
		goto fail;
	*error = E2BIG;
	if (frame->nb_segs > max_segments || mpdk_frame_offload(frame, offload) < 0)
		goto fail;
	return frame;
fail:
	rte_pktmbuf_free(frame);
	return NULL;
}
