/* What both kinds of frames, copied and built, ask of a buffer. */
#ifndef MPDK_BUFFER_H
#define MPDK_BUFFER_H

#include <rte_mbuf.h>

/* Whether bytes may be written behind those of a segment of a frame of ours. */
static inline bool
is_writable(const struct rte_mbuf *segment)
{
	return RTE_MBUF_DIRECT(segment) || RTE_MBUF_HAS_PINNED_EXTBUF(segment);
}

#endif
