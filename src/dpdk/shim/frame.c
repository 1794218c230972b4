/* Frames to send: a header, and payload behind it. */
#include "buffer.h"
#include "shim.h"

#include <errno.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_tcp.h>

/*
 * The line will be written: fetched for reading alone it would have to be asked
 * for once more, and the device, which is often another core, has it.
 */
static inline void
prefetch_to_write(const void *line)
{
#ifdef RTE_ARCH_X86
	/* The compiler gives it only for processors of a certain age. */
	asm volatile("prefetchw %0" : : "m"(*(const char *)line));
#else
	__builtin_prefetch(line, 1);
#endif
}

/*
 * A buffer that was taken out ahead of need: many at once, so that their first
 * cache lines come from memory side by side instead of each when it is needed.
 */
static struct rte_mbuf *
take(struct mpdk_stash *stash)
{
	struct rte_mbuf *mbuf;

	if (unlikely(stash->count == 0)) {
		if (rte_pktmbuf_alloc_bulk(stash->pool, stash->mbufs, MPDK_STASH) < 0)
			return rte_pktmbuf_alloc(stash->pool);
		stash->count = MPDK_STASH;
	}
	mbuf = stash->mbufs[--stash->count];
	/* Where the header after the next goes: most frames take a header and a reference. */
	if (stash->count >= 4) {
		const uint8_t *header = rte_pktmbuf_mtod(stash->mbufs[stash->count - 4], uint8_t *);

		prefetch_to_write(header);
		prefetch_to_write(header + RTE_CACHE_LINE_SIZE);
	}
	return mbuf;
}

void
mpdk_stash_empty(struct mpdk_stash *stash)
{
	rte_pktmbuf_free_bulk(stash->mbufs, stash->count);
	stash->count = 0;
}

/* Another empty segment behind `last`. */
static struct rte_mbuf *
add_segment(struct mpdk_stash *stash, struct rte_mbuf *frame, struct rte_mbuf *last)
{
	struct rte_mbuf *segment;

	if (frame->nb_segs == RTE_MBUF_MAX_NB_SEGS)
		return NULL;
	segment = take(stash);
	if (segment == NULL)
		return NULL;
	/* Only the first needs room for headers in front. */
	segment->data_off = 0;
	last->next = segment;
	frame->nb_segs++;
	return segment;
}

/* Appends a copy behind `last`; returns the new last segment or NULL. */
static struct rte_mbuf *
append_copy(struct mpdk_stash *stash, struct rte_mbuf *frame, struct rte_mbuf *last,
	    const uint8_t *from, uint32_t left)
{
	while (left > 0) {
		/* What was appended by reference is not written to. */
		uint32_t room = is_writable(last) ? rte_pktmbuf_tailroom(last) : 0;
		uint32_t count = RTE_MIN(left, room);

		if (count == 0) {
			last = add_segment(stash, frame, last);
			if (last == NULL)
				return NULL;
			continue;
		}
		memcpy(rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len), from, count);
		last->data_len += count;
		frame->pkt_len += count;
		from += count;
		left -= count;
	}
	return last;
}

/* Appends a segment that refers to bytes of `part`; returns it or NULL. */
static struct rte_mbuf *
append_reference(struct mpdk_stash *stash, struct rte_mbuf *frame, struct rte_mbuf *last,
		 const struct mpdk_part *part)
{
	struct rte_mbuf *segment = add_segment(stash, frame, last);

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

static int
append_parts(struct mpdk_stash *stash, struct rte_mbuf *frame, const struct mpdk_part *parts,
	     uint32_t count)
{
	struct rte_mbuf *last = frame;
	uint32_t i;

	for (i = 0; i < count; i++) {
		const struct mpdk_part *part = &parts[i];

		last = part->buffer != NULL ?
			       append_reference(stash, frame, last, part) :
			       append_copy(stash, frame, last, part->data, part->len);
		if (last == NULL)
			return -ENOMEM;
	}
	return 0;
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

static int
set_offload(struct rte_mbuf *frame, const struct mpdk_offload *offload)
{
	uint64_t flags = 0;

	if (!offload->ip_checksum && !offload->tcp_checksum && offload->segment_bytes == 0)
		return 0;
	flags |= offload->ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
	if (offload->ip_checksum && !offload->ipv6)
		flags |= RTE_MBUF_F_TX_IP_CKSUM;
	if (offload->tcp_checksum)
		flags |= RTE_MBUF_F_TX_TCP_CKSUM;
	if (offload->segment_bytes > 0)
		flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM;
	/* One store: fields that are read together are not forwarded from several. */
	frame->tx_offload = rte_mbuf_tx_offload(offload->l2_bytes, offload->l3_bytes,
						offload->l4_bytes, offload->segment_bytes, 0, 0, 0);
	frame->ol_flags |= flags;
	return offload->segment_bytes > 0 ? set_segmentation_checksum(frame) : 0;
}

struct rte_mbuf *
mpdk_frame_build(struct mpdk_stash *stash, const uint8_t *header, uint32_t header_len,
		 const struct mpdk_part *parts, uint32_t count, uint16_t max_segments,
		 const struct mpdk_offload *offload, int *error)
{
	struct rte_mbuf *frame = take(stash);

	*error = ENOMEM;
	if (frame == NULL)
		return NULL;
	if (append_copy(stash, frame, frame, header, header_len) == NULL ||
	    append_parts(stash, frame, parts, count) < 0)
		goto fail;
	*error = E2BIG;
	if (frame->nb_segs > max_segments || set_offload(frame, offload) < 0)
		goto fail;
	return frame;
fail:
	rte_pktmbuf_free(frame);
	return NULL;
}
