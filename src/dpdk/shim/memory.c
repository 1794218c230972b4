/* Zones of EAL memory, the pages and file descriptors under them, pools. */
#include "shim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_mempool.h>
#include <rte_memory.h>
#include <rte_memzone.h>

static int
first_page(const struct rte_memseg_list *list, const struct rte_memseg *segment, void *bytes)
{
	(void)list;
	*(uint64_t *)bytes = segment->hugepage_sz;
	return 1;
}

uint64_t
mpdk_page_bytes(void)
{
	uint64_t bytes = 0;

	rte_memseg_walk(first_page, &bytes);
	return bytes;
}

const struct rte_memzone *
mpdk_zone_reserve(const char *name, size_t len, size_t align, int node, int *error)
{
	const struct rte_memzone *zone;

	zone = rte_memzone_reserve_aligned(name, len, node, 0, (unsigned int)align);
	*error = zone == NULL ? -rte_errno : 0;
	return zone;
}

void *
mpdk_zone_address(const struct rte_memzone *zone)
{
	return zone->addr;
}

int
mpdk_zone_free(const struct rte_memzone *zone)
{
	return rte_memzone_free(zone);
}

int
mpdk_page_of(const void *address, struct mpdk_page *page)
{
	struct rte_memseg *segment = rte_mem_virt2memseg(address, NULL);
	size_t offset;

	if (segment == NULL)
		return -EFAULT;
	page->address = (uint64_t)(uintptr_t)segment->addr;
	page->len = segment->len;
	page->iova = segment->iova;
	page->fd = rte_memseg_get_fd(segment);
	if (page->fd < 0)
		return -rte_errno;
	if (rte_memseg_get_fd_offset(segment, &offset) < 0)
		return -rte_errno;
	page->fd_offset = offset;
	return 0;
}

/*
 * Pools give back first what came back last: it is still in the cache. (DPDK's
 * default, a ring, goes round the whole pool.) Without locks, because a thread
 * that is not running must not keep the others from their buffers. Whoever
 * started DPDK with another choice gets that.
 */
static void
choose_order(void)
{
	static const char last_in_first_out[] = "lf_stack";
	uint32_t i;

	if (rte_eal_mbuf_user_pool_ops() != NULL)
		return;
	for (i = 0; i < rte_mempool_ops_table.num_ops; i++) {
		if (strcmp(rte_mempool_ops_table.ops[i].name, last_in_first_out) == 0)
			rte_mbuf_set_user_mempool_ops(last_in_first_out);
	}
}

struct rte_mempool *
mpdk_pool_ordinary(const char *name, uint32_t count, uint32_t cache, uint16_t data_room, int node,
		   int *error)
{
	struct rte_mempool *pool;

	choose_order();
	pool = rte_pktmbuf_pool_create(name, count, cache, 0, data_room, node);
	*error = pool == NULL ? -rte_errno : 0;
	return pool;
}

struct rte_mempool *
mpdk_pool_pinned(const char *name, uint32_t count, uint32_t cache, uint16_t data_room,
		 uint16_t stride, int node, const struct mpdk_extent *extents,
		 uint32_t extent_count, int *error)
{
	struct rte_pktmbuf_extmem *memory;
	struct rte_mempool *pool;
	uint32_t i;

	memory = calloc(extent_count, sizeof(*memory));
	if (memory == NULL) {
		*error = -ENOMEM;
		return NULL;
	}
	for (i = 0; i < extent_count; i++) {
		memory[i].buf_ptr = (void *)(uintptr_t)extents[i].address;
		memory[i].buf_iova = extents[i].iova;
		memory[i].buf_len = extents[i].len;
		memory[i].elt_size = stride;
	}
	choose_order();
	pool = rte_pktmbuf_pool_create_extbuf(name, count, cache, 0, data_room, node,
					      memory, extent_count);
	*error = pool == NULL ? -rte_errno : 0;
	free(memory);
	return pool;
}

void
mpdk_pool_free(struct rte_mempool *pool)
{
	rte_mempool_free(pool);
}

static void
widen(struct rte_mempool *pool, void *extent_of_all, struct rte_mempool_memhdr *chunk, unsigned int index)
{
	struct mpdk_extent *all = extent_of_all;
	uint64_t start = (uint64_t)(uintptr_t)chunk->addr;
	uint64_t end = RTE_MAX(start + chunk->len, all->address + all->len);

	(void)pool;
	all->address = index == 0 ? start : RTE_MIN(start, all->address);
	all->len = end - all->address;
}

bool
mpdk_pool_memory(struct rte_mempool *pool, struct mpdk_extent *extent)
{
	memset(extent, 0, sizeof(*extent));
	return rte_mempool_mem_iter(pool, widen, extent) > 0;
}

uint32_t
mpdk_pool_available(const struct rte_mempool *pool)
{
	return rte_mempool_avail_count(pool);
}

uint32_t
mpdk_pool_cached(struct rte_mempool *pool)
{
	struct rte_mempool_cache *cache = rte_mempool_default_cache(pool, rte_lcore_id());

	return cache == NULL ? 0 : cache->len;
}

uint16_t
mpdk_headroom(void)
{
	return RTE_PKTMBUF_HEADROOM;
}
