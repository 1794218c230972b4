/* How a port spreads received TCP segments over its queues: receive side scaling. */
#include "shim.h"

#include <errno.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_version.h>

#include "hash.h"

/*
 * TCP segments alone, and by their whole 4-tuple. What is not hashed goes to the
 * queue of the first entry, fragments too: they carry no ports, and a hash of
 * addresses would bring them elsewhere than the rest of their flow.
 */
#define HASHED (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)

#define GROUPS (MPDK_SPREAD_ENTRIES / RTE_ETH_RETA_GROUP_SIZE)

void
mpdk_hash_conf(const struct rte_eth_dev_info *info, const uint8_t *key,
	       uint8_t room[MPDK_LONGEST_HASH_KEY], struct rte_eth_rss_conf *conf)
{
	size_t i;

	/* A 4-tuple of IPv6 uses 40 bytes; drivers with longer keys hash no more of it. */
	for (i = 0; i < MPDK_LONGEST_HASH_KEY; i++)
		room[i] = key[i % MPDK_HASH_KEY];
	conf->rss_hf = HASHED & info->flow_type_rss_offloads;
	if (info->hash_key_size > 0) {
		conf->rss_key = room;
		conf->rss_key_len = info->hash_key_size;
	}
#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
	if ((info->rss_algo_capa & RTE_ETH_HASH_ALGO_CAPA_MASK(TOEPLITZ)) != 0)
		conf->algorithm = RTE_ETH_HASH_FUNCTION_TOEPLITZ;
#endif
}

int
mpdk_port_set_hash_key(uint16_t port, const uint8_t key[MPDK_HASH_KEY])
{
	struct rte_eth_rss_conf conf = { 0 };
	uint8_t room[MPDK_LONGEST_HASH_KEY];
	struct rte_eth_dev_info info;
	int result;

	result = rte_eth_dev_info_get(port, &info);
	if (result != 0)
		return result;
	mpdk_hash_conf(&info, key, room, &conf);
	if (conf.rss_key == NULL) {
		/* The driver does not say how long its key is: what all take. */
		conf.rss_key = room;
		conf.rss_key_len = MPDK_HASH_KEY;
	}
	return rte_eth_dev_rss_hash_update(port, &conf);
}

static bool
is_toeplitz(const struct rte_eth_rss_conf *conf)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
	return conf->algorithm == RTE_ETH_HASH_FUNCTION_DEFAULT ||
	       conf->algorithm == RTE_ETH_HASH_FUNCTION_TOEPLITZ;
#else
	(void)conf;
	return true;
#endif
}

/* The number of entries; -ENOTSUP if they cannot be counted with a mask. */
static int
entries_of(uint16_t port)
{
	struct rte_eth_dev_info info;
	int result;

	result = rte_eth_dev_info_get(port, &info);
	if (result != 0)
		return result;
	if (info.reta_size == 0 || info.reta_size > MPDK_SPREAD_ENTRIES ||
	    (info.reta_size & (info.reta_size - 1)) != 0)
		return -ENOTSUP;
	return info.reta_size;
}

static void
select_entries(struct rte_eth_rss_reta_entry64 groups[GROUPS], int entries)
{
	int i;

	memset(groups, 0, GROUPS * sizeof(*groups));
	for (i = 0; i < entries; i++)
		groups[i / RTE_ETH_RETA_GROUP_SIZE].mask |= UINT64_C(1)
							    << i % RTE_ETH_RETA_GROUP_SIZE;
}

int
mpdk_port_set_even_spread(uint16_t port, uint16_t queues)
{
	struct rte_eth_rss_reta_entry64 groups[GROUPS];
	int entries = entries_of(port);
	int i;

	if (entries < 0)
		return entries;
	select_entries(groups, entries);
	for (i = 0; i < entries; i++)
		groups[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] = i % queues;
	return rte_eth_dev_rss_reta_update(port, groups, entries);
}

int
mpdk_port_spread(uint16_t port, struct mpdk_spread *spread)
{
	struct rte_eth_rss_reta_entry64 groups[GROUPS];
	struct rte_eth_rss_conf conf = { 0 };
	uint8_t key[MPDK_LONGEST_HASH_KEY] = { 0 };
	int entries = entries_of(port);
	int result;
	int i;

	if (entries < 0)
		return entries;
	conf.rss_key = key;
	conf.rss_key_len = sizeof(key);
	result = rte_eth_dev_rss_hash_conf_get(port, &conf);
	if (result != 0)
		return result;
	if (!is_toeplitz(&conf))
		return -ENOTSUP;
	select_entries(groups, entries);
	result = rte_eth_dev_rss_reta_query(port, groups, entries);
	if (result != 0)
		return result;
	spread->tcp_ipv4 = (conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV4_TCP) != 0;
	spread->tcp_ipv6 = (conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV6_TCP) != 0;
	memcpy(spread->key, key, MPDK_HASH_KEY);
	spread->entries = entries;
	for (i = 0; i < entries; i++)
		spread->queues[i] =
			groups[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
	return 0;
}
