/* Packet buffers: references to received ones, frames to send. */
#include "buffer.h"
#include "shim.h"

#include <errno.h>
#include <string.h>

#include <rte_mbuf.h>

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
	/* Most are one buffer, whose second line, with `next`, need not be looked at. */
	uint16_t left = mbuf->nb_segs;

	for (;;) {
		if (!is_held_once(mbuf))
			return false;
		if (--left == 0)
			return true;
		mbuf = mbuf->next;
	}
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
